"""Where a visitor looks: by the pointer over the picture, or by a tracker's file.

The page samples its pointer with the stream time of the picture that is shown, so what comes
here needs no clock. It comes late: the page sends a few times a second, and the picture it was
on has been watched meanwhile. That does not matter up to ``pipeline.gaze.LATE``: a fixation is
named by pictures from around its own time, and none is ended early for want of samples. Samples
that are later than that (the connection was away) are left out by the detector, never moved.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.web.view import segments_between
from memory.memory import Memory
from memory.segment import Fixation
from models.media import AudioChunk, GazeSample, Media
from pipeline.events import Event
from pipeline.sources.file import FileSource
from pipeline.sources.gaze.files import read_gaze
from pipeline.sources.gaze.pointer import HELD, PointerGaze
from pipeline.sources.gaze.track import GazeError, GazeTrack
from pipeline.sources.passing import Passing
from pipeline.sources.source import Source

SENDERS = 8
"""Tabs whose place in their own order is remembered."""

POINTS_A_SECOND = 30.0
"""Points of a recording that the page is given to draw."""

WHOLE = 1 << 20
"""A longest side, in pixels, to which no picture is scaled down."""


class Looking(Passing):
    """A source with where the pointer is put in by time. Safe to feed from any thread.

    A sample comes before the first picture or sound that ends no earlier than it: also where
    watching is behind what is shown, which would else jump ahead. What was shown before and is
    shown again has been watched: looks at it are left out; those at what is still to come
    replace the earlier ones.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._lock = threading.Lock()
        self._pointer = PointerGaze()
        self._newest = -math.inf
        self._held: deque[GazeSample] = deque(maxlen=HELD)
        self._given = -math.inf
        self._expected: OrderedDict[str, int] = OrderedDict()

    def look(self, sender: str, number: int, samples: Sequence[GazeSample]) -> int:
        """Take a batch, once for each ``number`` of a sender in order.

        Args:
            samples: in the order they were made; x and y NaN where the pointer is elsewhere.

        Returns:
            The number that is expected next.
        """
        with self._lock:
            expected = self._expected.pop(sender, 0)
            if number >= expected:  # else it came before: only the reply was lost
                expected = number + 1
                for sample in samples:
                    self._take(sample)
                self._held.extend(self._pointer.take(lambda moment: moment))
            self._expected[sender] = expected
            if len(self._expected) > SENDERS:
                self._expected.popitem(last=False)
            return expected

    def __iter__(self) -> Iterator[Media]:
        for media in self._source:
            yield from self._until(media.end if isinstance(media, AudioChunk) else media.time)
            yield media

    def _take(self, sample: GazeSample) -> None:
        if sample.time < self._newest:  # the video was wound back
            self._held.extend(self._pointer.take(lambda moment: moment))
            self._pointer = PointerGaze()
            while self._held and self._held[-1].time >= sample.time:
                self._held.pop()
        self._newest = sample.time
        self._pointer.push(sample.time, sample.x, sample.y)

    def _until(self, time: float) -> list[GazeSample]:
        found = []
        with self._lock:
            while self._held and self._held[0].time <= time:
                sample = self._held.popleft()
                if sample.time > self._given:
                    self._given = sample.time
                    found.append(sample)
        return found


def recorded(path: Path, offset: float, clip: Path) -> GazeTrack:
    """The gaze file that a visitor gave beside ``clip``.

    Positions in pixels of an unnamed picture are taken to be of the clip's.

    Raises:
        GazeError: it cannot be read; the message names the file as the visitor does.
        SourceError: the clip cannot be opened.
    """
    try:
        try:
            return read_gaze(path, offset=offset)
        except GazeError:
            with FileSource(clip, longest_side=WHOLE) as probe:
                size = probe.properties.width, probe.properties.height
            if min(size) <= 0:
                raise
            return read_gaze(path, offset=offset, frame_size=size)
    except GazeError as error:
        raise GazeError(str(error).replace(str(path), path.name)) from error


def fixations(
    memory: Memory, events: Sequence[Event], start: float, end: float, most: int
) -> list[Fixation]:
    """Fixations that touch stream time ``start`` to ``end``, in order.

    A long one comes in the pieces it became known in, each beginning where the last ended.

    Args:
        events: of the session, for what memory does not hold yet.
        most: segments looked into, evenly chosen where there are more.
    """
    segments, _ = segments_between(memory, start, end, most)
    seen = [each for segment in segments for each in segment.observations]
    seen += [event.what for event in events if isinstance(event.what, Fixation)]
    found = {
        each.start: each
        for each in seen
        if isinstance(each, Fixation) and each.end >= start and each.start <= end
    }
    return [found[time] for time in sorted(found)]


def points(track: GazeTrack, start: float, end: float) -> list[tuple[float, float, float] | None]:
    """Time, x and y of a recording to draw, thinned out; None where the eye was lost."""
    told: list[tuple[float, float, float] | None] = []
    due = -math.inf
    for sample in track.between(start, end):
        if math.isnan(sample.x) or math.isnan(sample.y):
            if told and told[-1] is not None:
                told.append(None)
        elif sample.time >= due:
            due = sample.time + 1 / POINTS_A_SECOND
            told.append((sample.time, sample.x, sample.y))
    return told
