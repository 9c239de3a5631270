"""What every reasoner is: it watches passages, and answers questions about them.

A *passage* is a segment as the reasoner reads it: words, and visual features where the
model takes them. Memory's own types stay outside: the pipeline renders a segment into a
passage (``pipeline/evidence.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class ReasonerError(Exception):
    """The reasoner cannot do what was asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Line:
    """One observation in words: what a quotation can be taken from.

    ``kind`` is ``"heard"``, ``"read"``, ``"seen"``, ``"look"``, ``"gaze"``, ``"note"`` or
    ``"gap"``; ``certain`` is False for a label below the confidence floor; ``source`` names
    whose it is where several are watched.
    """

    start: float
    end: float
    kind: str
    text: str
    certain: bool = True
    source: str = ""


@dataclass(frozen=True, slots=True)
class Gazed:
    """A gaze that rested at ``x, y`` (normalised) from ``start`` to ``end``; ``what`` lay
    there, in words, or nothing known."""

    start: float
    end: float
    x: float
    y: float
    what: str = ""


Span = tuple[float, float, str]
"""Start and end in stream seconds, and the source; no two passages share all three."""


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """A stretch of the stream as the reasoner reads it.

    Attributes:
        start, end: stream time in seconds.
        lines: what was observed, in time order.
        known_at: stream time from which all of it may be used; never before ``end``.
        frames: RGB ``uint8`` pictures of shape ``(H, W, 3)`` with ``frame_times``; empty
            for a reasoner that reads words alone.
        audio: mono ``float32`` at 16 kHz covering ``start`` to ``end``, or None.
        looks: where somebody looked meanwhile, in time order; ``lines`` tell of them too.
        source: whose stretch it is, where several sources are watched.
    """

    start: float
    end: float
    lines: tuple[Line, ...]
    known_at: float
    frames: tuple[NDArray[np.uint8], ...] = ()
    frame_times: tuple[float, ...] = ()
    audio: NDArray[np.float32] | None = None
    looks: tuple[Gazed, ...] = ()
    source: str = ""

    @property
    def span(self) -> Span:
        """What it is known by: start, end and source."""
        return self.start, self.end, self.source


@dataclass(frozen=True, slots=True)
class Exchange:
    """An earlier question and its answer, with the stream time it was put."""

    time: float
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is put before the reasoner for one question.

    Attributes:
        time: stream time of the question; nothing in here is later.
        passages: the chosen few in full (slow), in time order.
        history: earlier exchanges of this conversation, oldest first.
        about: the question without the words that speak of time, where it has such.
        focus: start and end in stream seconds of the stretch those words mean, or None.
    """

    time: float
    passages: tuple[Passage, ...]
    history: tuple[Exchange, ...] = ()
    about: str = ""
    focus: tuple[float, float] | None = None


@dataclass(slots=True)
class Counts:
    """Tokens spent on one answer: ``fast`` in the shared context, ``slow`` brought in for
    this question, ``text`` of the question and instructions, ``generated``."""

    fast: int = 0
    slow: int = 0
    text: int = 0
    generated: int = 0


@dataclass(slots=True)
class Reply:
    """An answer under way: iterate it for text pieces; ``counts`` is final afterwards, and so
    is ``generating``, the seconds spent on generated tokens where other text is among them.

    Closing the iterator, or ``cancelled()`` turning true, ends it at the next token.
    """

    pieces: Iterator[str]
    counts: Counts = field(default_factory=Counts)
    support: tuple[Line, ...] = ()
    generating: float = 0.0

    def __iter__(self) -> Iterator[str]:
        return self.pieces


class Reasoner(Protocol):
    """A model with a running context. One thread calls ``see``, ``watch``, ``note`` and
    ``idle``; any other ``answer`` and ``choose``, also while ``watch`` runs."""

    @property
    def name(self) -> str:
        """Engine and model, for reports: ``"embedded SmolLM2-135M-Instruct 4-bit"``."""
        ...

    @property
    def context_tokens(self) -> tuple[int, int]:
        """Tokens in the running context now, and the most it holds."""
        ...

    @property
    def takes_pictures(self) -> bool:
        """Whether it looks at the frames of passages, or reads their lines alone."""
        ...

    def see(self, image: NDArray[np.uint8], time: float) -> None:
        """A frame, RGB ``uint8 (H, W, 3)``, of stream ``time`` that a later :meth:`watch` will
        bring in its passage, so that work on it can begin; in the order of time. It need not
        be called."""
        ...

    def watch(self, passage: Passage) -> None:
        """Extend the running context by a closed segment's fast tokens.

        An answer as of stream time t forks the context where the last passage with
        ``known_at <= t`` ended.
        """
        ...

    def answer(
        self,
        question: str,
        evidence: Evidence,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Reply: ...

    def choose(
        self, question: str, options: Sequence[str], evidence: Evidence
    ) -> tuple[list[float], Counts]:
        """Probability of each option, summing to 1, and the tokens spent."""
        ...

    def note(self, passage: Passage) -> str:
        """One line about a passage, in at most some 30 words."""
        ...

    def idle(self) -> bool:
        """Do a short piece of what is due in the background; whether more is."""
        ...
