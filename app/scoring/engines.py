"""The engines that can be scored, by name: sessions of the pipeline over a question's video."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from app.home import home
from app.scoring.blind import Blind
from app.scoring.candidate import Candidate
from app.scoring.cli import Contender, Load
from app.scoring.engine import Answering, Sessions
from app.scoring.gaze import GazeOf
from app.scoring.questions import DataError
from memory.memory import Memory
from pipeline import engine as engines
from pipeline.asker import LATEST, RECALLED
from pipeline.session import Session
from pipeline.sources.file import FileSource
from pipeline.sources.source import Source


@dataclass(frozen=True, slots=True)
class Loaded:
    """An engine that was loaded, ready to watch any number of videos."""

    engine: engines.Engine

    @property
    def facts(self) -> dict[str, object]:
        """What the engine says of itself, and the budgets it answers within."""
        return {
            **self.engine.facts,
            "context_tokens": self.engine.new_reasoner(None).context_tokens[1],
            "recalled_segments": RECALLED,
            "latest_segments": LATEST,
        }

    def candidate(self, gaze: GazeOf) -> Candidate:
        return Sessions(
            self.facts,
            lambda video, start: FileSource(video, start=start),
            partial(_Watch.begin, self.engine),
            gaze,
        )

    def blind(self) -> Candidate:
        return Blind(self.engine.new_reasoner(None), self.facts)


class WatchError(Exception):
    """The video could not be watched up to the question."""


@dataclass(frozen=True, slots=True)
class _Watch:
    """A stepped session over one video, with a memory of its own that ends with it."""

    session: Session
    memory: Memory

    @classmethod
    def begin(cls, engine: engines.Engine, source: Source) -> _Watch:
        memory = Memory.open(None, engine.embed)
        try:
            return cls(Session(source, engine, memory, stepped=True).start(), memory)
        except BaseException:
            memory.close()
            raise

    def watch_until(self, time: float) -> None:
        self.session.watch_until(time)
        # A session lives on with what it saw before its source broke; a score must not.
        if error := self.session.status.error:
            raise WatchError(error)

    def ask(self, question: str, options: Sequence[str], at: float) -> Answering:
        return self.session.ask(question, options, at, history=False)

    def close(self) -> None:
        try:
            self.session.close()
        finally:
            self.memory.close()


def load(choice: engines.Choice) -> Contender:
    """Load an engine; of several processes on a machine each takes a GPU of its own.

    Raises:
        DataError: it cannot be loaded.
    """
    try:
        return Loaded(engines.load_engine(_on_own_gpu(choice), home()))
    except engines.EngineError as error:
        raise DataError(str(error)) from error


def _on_own_gpu(choice: engines.Choice) -> engines.Choice:
    rank = os.environ.get("LOCAL_RANK")
    if rank is None or choice.device_map != "auto":
        return choice
    import torch

    count = torch.cuda.device_count()
    return replace(choice, device_map=f"cuda:{int(rank) % count}") if count else choice


ENGINES: Mapping[str, Load] = dict.fromkeys(engines.ENGINES, load)
