"""The types memory is made of: observations, segments, notes, turns.

All are frozen and hold only plain values and arrays, so that a snapshot of memory is a
tuple of references: taking one copies nothing, and later watching cannot change it.

An observation becomes *known* at some stream time (:attr:`known_at`): an utterance when
it has been spoken to its end, a picture at once. A question put at stream time ``t`` may
use only what was known at ``t``; :meth:`Segment.as_of` is the one place that enforces it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in normalised [0, 1] image coordinates."""


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word with its start and end in stream seconds."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech between two pauses, with its words where the recogniser timed them."""

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    confidence: float = 1.0

    @property
    def time(self) -> float:
        return self.start

    @property
    def known_at(self) -> float:
        return self.end


@dataclass(frozen=True, slots=True)
class ScreenText:
    """Text read in the picture at ``time``; ``box`` is where it stands."""

    time: float
    text: str
    box: Box
    confidence: float

    @property
    def known_at(self) -> float:
        return self.time


@dataclass(frozen=True, slots=True)
class SeenObject:
    """Something a classifier or detector named in the picture at ``time``.

    ``confidence`` is kept as the model gave it; below the engine's stated floor the
    label is shown as uncertain and never answers a question by itself.
    """

    time: float
    label: str
    confidence: float
    box: Box | None = None

    @property
    def known_at(self) -> float:
        return self.time


@dataclass(frozen=True, slots=True)
class SceneChange:
    """A cut or a sudden change of the whole picture; ``score`` in [0, 1]."""

    time: float
    score: float

    @property
    def known_at(self) -> float:
        return self.time


@dataclass(frozen=True, slots=True)
class Look:
    """Cheap facts about the picture at ``time``.

    Attributes:
        motion: share of the picture that moved since the last sampled frame, [0, 1].
        brightness: mean luma, [0, 1].
        colours: names of the dominant colours, most common first.
        faces: where faces are.
        moving: single things that move, in words.
    """

    time: float
    motion: float
    brightness: float
    colours: tuple[str, ...] = ()
    faces: tuple[Box, ...] = ()
    moving: tuple[str, ...] = ()

    @property
    def known_at(self) -> float:
        return self.time


@dataclass(frozen=True, slots=True)
class Fixation:
    """A gaze that rested at ``x, y`` (normalised) from ``start`` to ``end``.

    ``target`` says in words what was looked at, as far as perception could tell; ``crop`` is
    a small JPEG of what lay around the gaze, or empty.
    """

    start: float
    end: float
    x: float
    y: float
    target: str = ""
    crop: bytes = field(default=b"", repr=False)

    @property
    def time(self) -> float:
        return self.start

    @property
    def known_at(self) -> float:
        return self.end


@dataclass(frozen=True, slots=True)
class Gap:
    """The stream was away from ``start`` to ``end``; ``reason`` says why."""

    start: float
    end: float
    reason: str

    @property
    def time(self) -> float:
        return self.start

    @property
    def known_at(self) -> float:
        return self.end


Observation = Utterance | ScreenText | SeenObject | SceneChange | Look | Fixation | Gap


@dataclass(frozen=True, slots=True)
class Note:
    """One line the reasoner wrote about the stretch from ``start`` to ``end``.

    ``written`` is the stream time it was written at: no question put before then sees it.
    None is for a note that came with its segment.
    """

    start: float
    end: float
    text: str
    written: float | None = None

    @property
    def written_at(self) -> float:
        """``written``, or minus infinity where that is None."""
        return -math.inf if self.written is None else self.written


@dataclass(frozen=True, slots=True)
class Turn:
    """A question put at stream time ``time`` and the answer it got.

    Attributes:
        answered: stream time at which the answer was complete, where the stream went on
            meanwhile; None for the time of the question.
        segments: indices of the segments the answer rested on.
    """

    time: float
    question: str
    answer: str
    answered: float | None = None
    segments: tuple[int, ...] = ()

    @property
    def known_at(self) -> float:
        """Stream time from which a later question may refer to it."""
        return self.time if self.answered is None else max(self.time, self.answered)


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A stretch of the stream: the unit of memory.

    Attributes:
        index: position in the session, from 0, without holes.
        start, end: stream time in seconds; ``end`` of one is ``start`` of the next.
        observations: ordered by ``(known_at, time)``. An utterance belongs to the segment in
            which it began, so its end may lie after the segment's.
        closed_by: ``"scene"``, ``"pause"``, ``"length"``, ``"gap"`` or ``"end"``.
        thumbnail: a small JPEG, or empty where there was no picture.
        features: visual features of the sampled frames, ``float16`` of shape
            ``(T, H, W, D)`` with the times in ``feature_times``; None where none were kept.
        source: name of the source, where a session watches several.
        level: 0 for a segment as watched; 1 and up for one whose detail has faded
            (``memory/consolidation.py`` says what that leaves).
    """

    index: int
    start: float
    end: float
    observations: tuple[Observation, ...]
    closed_by: str
    thumbnail: bytes = b""
    features: NDArray[np.float16] | None = None
    feature_times: tuple[float, ...] = ()
    source: str = ""
    level: int = 0
    note: Note | None = field(default=None)

    @property
    def known_at(self) -> float:
        """Stream time from which the whole segment may be used."""
        return max([self.end, *(o.known_at for o in self.observations)])

    def as_of(self, time: float) -> Segment | None:
        """This segment as it was known at stream ``time``, or None if it had not begun.

        What became known later is cut away: observations, a note, the features of later
        frames; and of a segment not yet closed then, its picture and what closed it.
        """
        if self.start > time:
            return None
        note = self.note if self.note is not None and self.note.written_at <= time else None
        if self.known_at <= time:
            return self if note is self.note else replace(self, note=note)
        closed = self.end <= time
        kept = sum(1 for t in self.feature_times if t <= time)
        return replace(
            self,
            end=min(self.end, time),
            observations=tuple(o for o in self.observations if o.known_at <= time),
            closed_by=self.closed_by if closed else "open",
            thumbnail=self.thumbnail if closed else b"",
            features=None if self.features is None or kept == 0 else self.features[:kept],
            feature_times=self.feature_times[:kept],
            note=None,
        )
