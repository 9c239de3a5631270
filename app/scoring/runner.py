"""Runs a question set past a candidate: resumable, divisible, and unmoved by a bad video.

Every finished question is one line in ``results.<rank>.jsonl``, flushed as it comes. A run that
was killed goes on where it stopped; processes share a folder and never wait for each other.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from app.scoring.candidate import Ask, Candidate, Response, View
from app.scoring.prompts import Prompts
from app.scoring.protocol import Conversation, beginning, first_time, play
from app.scoring.questions import Kind, Question
from app.scoring.results import Result, failed, read_results

Mode = Literal["clip", "stream"]


_LAUNCHERS = (
    ("RANK", "WORLD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
)
"""Names under which a launcher tells a process its number and how many there are."""


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of the videos this process takes: every ``world``-th, from ``rank``."""

    rank: int = 0
    world: int = 1

    @classmethod
    def of_environment(cls) -> Share:
        """As ``accelerate launch`` and torchrun, or MPI, tell a process."""
        for rank, world in _LAUNCHERS:
            if rank in os.environ and world in os.environ:
                return cls(int(os.environ[rank]), int(os.environ[world]))
        return cls()

    def takes(self, number: int) -> bool:
        return number % self.world == self.rank


@dataclass(slots=True)
class Runner:
    """One process's part of a run.

    Attributes:
        candidate: what is asked.
        mode: ``clip`` or ``stream``.
        find: the file of a video as a question names it, or None where it is missing.
        out: folder of the run; all processes of a run share it.
        share: this process's part.
        free: replies are asked for in words, never as a choice by probability.
        progress: called with each result as it is written.
    """

    candidate: Candidate
    mode: Mode
    find: Callable[[str], Path | None]
    out: Path
    prompts: Prompts = field(default_factory=Prompts)
    share: Share = field(default_factory=Share)
    free: bool = False
    progress: Callable[[Result], None] = lambda result: None

    def run(self, questions: Sequence[Question]) -> None:
        """Ask what has not been asked yet of this process's videos."""
        done = {r.id for r in read_results(result_files(self.out)) if r.status != "missing"}
        by_video: dict[str, list[Question]] = {}
        # The division is over all questions, so that it does not depend on what is done.
        for question in questions:
            by_video.setdefault(question.video, []).append(question)
        path = self.out / f"results.{self.share.rank}.jsonl"
        drop_torn_line(path)
        with path.open("a", encoding="utf-8") as lines:
            for number, (video, asked) in enumerate(by_video.items()):
                open_ones = [question for question in asked if question.id not in done]
                if not self.share.takes(number) or not open_ones:
                    continue
                for result in self._video(video, open_ones):
                    lines.write(result.line() + "\n")
                    lines.flush()
                    self.progress(result)

    def _video(self, name: str, questions: list[Question]) -> Iterator[Result]:
        path = self.find(name)
        if path is None and self.candidate.needs_video:
            for question in questions:
                yield failed(question, "missing", f"no video {name}")
        elif not self.candidate.needs_video:
            for question in questions:
                yield self._clips(path, question)
        elif self.mode == "stream":
            yield from self._stream(path, 0.0, questions)
        else:
            for start, alike in self._stretches(questions):
                if self.candidate.causal and (len(alike) > 1 or alike[0].kind is Kind.PROACTIVE):
                    yield from self._stream(path, start, alike)
                else:
                    for question in alike:
                        yield self._clips(path, question)

    @staticmethod
    def _stretches(questions: list[Question]) -> Iterator[tuple[float, list[Question]]]:
        """Questions by where the video begins for them."""
        by_start: dict[float, list[Question]] = {}
        for question in questions:
            by_start.setdefault(beginning(question), []).append(question)
        yield from by_start.items()

    def _clips(self, path: Path | None, question: Question) -> Result:
        """The published way: a new view for each request, over its window alone."""

        def answer(ask: Ask) -> Response:
            with closing(self.candidate.open(path, ask.start, ask.time)) as view:
                return view.ask(ask)

        conversation = play(question, self.prompts, self.free)
        try:
            ask = next(conversation)
            while True:
                ask = conversation.send(answer(ask))
        except StopIteration as end:
            result: Result = end.value
            return result
        except Exception as error:
            # An engine's failure is a result of its own kind, whatever it is.
            return failed(question, "error", _told(error))

    def _stream(
        self, path: Path | None, start: float, questions: list[Question]
    ) -> Iterator[Result]:
        """The video once from ``start``, causally: requests in the order of their times."""
        waiting = sorted(questions, key=first_time)
        try:
            view = self.candidate.open(path, start, None)
        except Exception as error:
            for question in waiting:
                yield failed(question, "error", _told(error))
            return
        with closing(view):
            yield from self._answered(view, waiting)

    def _answered(self, view: View, questions: list[Question]) -> Iterator[Result]:
        agenda: list[tuple[float, int, Ask, Conversation]] = []
        for number, question in enumerate(questions):
            conversation = play(question, self.prompts, self.free)
            try:
                ask = next(conversation)
            except StopIteration as end:
                yield end.value
                continue
            heapq.heappush(agenda, (ask.time, number, ask, conversation))
        while agenda:
            _, number, ask, conversation = heapq.heappop(agenda)
            try:
                following = conversation.send(view.ask(ask))
            except StopIteration as end:
                yield end.value
            except Exception as error:
                yield failed(questions[number], "error", _told(error))
            else:
                heapq.heappush(agenda, (following.time, number, following, conversation))


def result_files(out: Path) -> list[Path]:
    """The result files of a run's folder, of all its processes."""
    return sorted(out.glob("results.*.jsonl"))


def drop_torn_line(path: Path) -> None:
    """Cut off what a kill left after the last line's end."""
    if not path.exists():
        return
    held = path.read_bytes()
    whole = held.rfind(b"\n") + 1
    if whole < len(held):
        with path.open("r+b") as file:
            file.truncate(whole)


def video_finder(folder: Path) -> Callable[[str], Path | None]:
    """Finds a question's video in ``folder``: by its path, the ends of its path, or its name
    anywhere below."""
    by_name: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            by_name.setdefault(path.name, path)

    def find(name: str) -> Path | None:
        parts = Path(name).parts
        for first in range(len(parts)):
            path = folder.joinpath(*[p for p in parts[first:] if p not in ("/", "..", ".")])
            if path.is_file():
                return path
        return by_name.get(Path(name).name)

    return find


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
