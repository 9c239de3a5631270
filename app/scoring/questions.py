"""The one shape that every question set is loaded into."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

LETTERS = "ABCDEFGHIJ"


MISSHAPEN = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)
"""What reading an entry raises that is not as published; see :func:`reason`."""


class DataError(Exception):
    """A question or reply file cannot be used; the message names the file and the place."""


def reason(error: Exception) -> str:
    """What is wrong with an entry, of the error that reading it raised."""
    if isinstance(error, KeyError):
        return f"lacks {error}"
    if isinstance(error, ValueError):
        return str(error)
    return "a value in it is of the wrong kind or out of range"


class Kind(StrEnum):
    """How a question is answered and marked."""

    CHOICE = "choice"
    YES_NO = "yes-no"
    COUNT = "count"
    PROACTIVE = "proactive"


@dataclass(frozen=True, slots=True)
class Earlier:
    """A question put before, as the data set words it, with its right letter."""

    time_stamp: str
    question: str
    options: tuple[str, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that is asked and marked.

    Attributes:
        id: unique in its data file, and the same each time the file is loaded.
        benchmark: ``"streamingbench"``, ``"ovo-bench"``, ``"streamgaze"`` or ``"plain"``.
        task, group: names as the benchmark reports them.
        video: the path as the file gives it; only its end is relied upon.
        time: stream seconds at which it is put.
        text: the question itself, without options.
        kind: how it is answered.
        options: texts without their letters, in the order of the letters.
        answer: a letter; ``"yes"`` or ``"no"``; digits; or the words to put out.
        window: seconds of video before ``time`` that the published protocol shows; None for
            all from the beginning.
        history: earlier questions of the same video with their right answers.
        due: for a proactive question, the stream second at which it should fire.
        clue: stream second at which what answers it was last to be seen, where known.
        raw: the entry as published, for the official wording.
        remarks: what was irregular about the entry and what was made of it.
    """

    id: str
    benchmark: str
    task: str
    group: str
    video: str
    time: float
    text: str
    kind: Kind
    answer: str
    options: tuple[str, ...] = ()
    window: float | None = None
    history: tuple[Earlier, ...] = ()
    due: float | None = None
    clue: float | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """
        Raises:
            ValueError: a text is none, or a time is before 0 or no number.
        """
        for name in ("task", "group", "video", "text", "answer"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"its {name} is not a text")
        for name in ("time", "window", "due", "clue"):
            seconds = getattr(self, name)
            if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
                raise ValueError(f"its {name} is no number of seconds: {seconds!r}")

    @property
    def chance(self) -> float | None:
        """How often a fair guess is right; None where guessing has no fixed odds."""
        if self.kind is Kind.CHOICE:
            return 1 / len(self.options) if self.options else None
        return 0.5 if self.kind is Kind.YES_NO else None


@dataclass(frozen=True, slots=True)
class Rejected:
    """An entry that cannot be asked: ``where`` it stands and ``why`` not."""

    where: str
    why: str


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """A loaded file: every entry is a question or is rejected by name."""

    benchmark: str
    questions: tuple[Question, ...]
    rejected: tuple[Rejected, ...] = ()

    @property
    def irregular(self) -> tuple[Question, ...]:
        """Questions whose entry had to be mended."""
        return tuple(q for q in self.questions if q.remarks)
