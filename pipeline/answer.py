"""An answer under way: its text as it comes, then what it rests on and what it cost."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

from models.reasoning.reasoner import Counts, Line, Passage, Reply
from pipeline.gaze_questions import GazeReply

log = logging.getLogger("onlooker.answer")
"""Of answers their cost alone: neither what was asked nor what was said."""


class AskError(Exception):
    """A question cannot be answered as put; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Wall-clock figures of an answer, in seconds.

    Attributes:
        first_token: from the question to the first piece of text, or to the probabilities.
        total: to the last piece.
        tokens_per_second: of generation after the first piece; 0 where nothing was generated.
    """

    first_token: float
    total: float
    tokens_per_second: float


class Answer:
    """Iterate it once for the text pieces; the rest is final afterwards.

    Attributes:
        question: as it was put.
        time: stream time in seconds as of which it is answered.
        passages: what was put before the reasoner in full, in time order.
        choice: place of the option chosen, or None of a free answer.
        probabilities: of the options, summing to 1; empty for a free answer.
    """

    def __init__(
        self,
        question: str,
        time: float,
        passages: tuple[Passage, ...],
        began: float,
        finish: Callable[[Answer], None],
    ) -> None:
        self.question = question
        self.time = time
        self.passages = passages
        self.choice: int | None = None
        self.probabilities: tuple[float, ...] = ()
        self.counts = Counts()
        self.support: tuple[Line, ...] = ()
        self._began = began
        self._first: float | None = None
        self._total = 0.0
        self._generating = 0.0
        self._pieces: list[str] = []
        self._finish = finish
        self._cancelled = threading.Event()
        self._reply: Callable[[], Iterator[str]] = lambda: iter(())

    def cancel(self) -> None:
        """End the answer at its next token; from any thread."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    @property
    def text(self) -> str:
        """What has been said so far."""
        return "".join(self._pieces)

    @property
    def spans(self) -> tuple[tuple[float, float], ...]:
        """Stream seconds of the evidence: of the lines it rests on, else of the passages."""
        lines = [(line.start, line.end) for line in self.support]
        return tuple(dict.fromkeys(lines or [(p.start, p.end) for p in self.passages]))

    @property
    def timings(self) -> Timings:
        first = self._total if self._first is None else self._first
        count, after = self.counts.generated - 1, self._total - first
        if self._generating:
            count, after = self.counts.generated, self._generating
        return Timings(first, self._total, max(0.0, count / after) if after > 0 else 0.0)

    def __iter__(self) -> Iterator[str]:
        try:
            for piece in self._reply():
                if self._first is None:
                    self._first = time.perf_counter() - self._began
                self._pieces.append(piece)
                yield piece
        finally:
            self._total = time.perf_counter() - self._began
            cost = {**asdict(self.counts), **asdict(self.timings), "cancelled": self.cancelled}
            log.info("answered", extra={"stream_time": self.time, **cost})
            self._finish(self)

    def will_say(self, begin: Callable[[], Reply]) -> None:
        """Answer freely, by the reply that ``begin`` starts."""

        def pieces() -> Iterator[str]:
            reply = begin()
            yield from reply
            self.counts = reply.counts
            self.support = reply.support
            self._generating = reply.generating

        self._reply = pieces

    def was_looked_at(self, looked: GazeReply, options: Sequence[str]) -> None:
        """Answer by what the records of gaze say."""

        def pieces() -> Iterator[str]:
            self.support = looked.lines
            if options:
                self.probabilities = looked.probabilities
                self.choice = max(range(len(options)), key=looked.probabilities.__getitem__)
                yield options[self.choice]
            else:
                yield looked.text if looked.certain else f"Perhaps {looked.text}"

        self._reply = pieces

    def will_choose(
        self, options: Sequence[str], choose: Callable[[], tuple[list[float], Counts]]
    ) -> None:
        """Answer by the likeliest of ``options``."""

        def pieces() -> Iterator[str]:
            probabilities, self.counts = choose()
            self.probabilities = tuple(probabilities)
            self.choice = max(range(len(options)), key=probabilities.__getitem__)
            yield options[self.choice]

        self._reply = pieces
