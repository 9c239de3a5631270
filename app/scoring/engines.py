"""The engines that can be scored, by name: sessions of the pipeline over a question's video."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from app.home import home
from app.scoring.blind import Blind
from app.scoring.candidate import Candidate
from app.scoring.cli import Contender, GazeOf
from app.scoring.engine import Answering, Sessions
from app.scoring.questions import DataError
from memory.memory import Memory
from pipeline import engine as engines
from pipeline.session import Session
from pipeline.sources.file import FileSource
from pipeline.sources.source import Source


@dataclass(frozen=True, slots=True)
class Loaded:
    """An engine that was loaded, ready to watch any number of videos."""

    engine: engines.Engine

    def candidate(self, gaze: GazeOf) -> Candidate:
        return Sessions(
            self.engine.facts,
            lambda video, start: FileSource(video, start=start),
            partial(_Watch.begin, self.engine),
            gaze,
        )

    def blind(self) -> Candidate:
        return Blind(self.engine.new_reasoner(), self.engine.facts)


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


def _load(name: str) -> Contender:
    _take_own_gpu()
    try:
        return Loaded(engines.load_engine(engines.Choice(name), home()))
    except engines.EngineError as error:
        raise DataError(str(error)) from error


def _take_own_gpu() -> None:
    """One GPU for each process of a machine, where a launcher started several."""
    rank = os.environ.get("LOCAL_RANK")
    if rank is not None:
        import torch

        if torch.cuda.is_available():
            torch.cuda.set_device(int(rank) % torch.cuda.device_count())


ENGINES: Mapping[str, Callable[[], Contender]] = {
    name: partial(_load, name) for name in engines.ENGINES
}
