"""A source with gaze: its pictures and sound, and the samples of a recording or a tracker."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from models.media import AudioChunk, GazeSample, Media
from pipeline.sources.gaze.track import GazeTrack
from pipeline.sources.source import Properties, Source

Clock = Callable[[float], float]
"""Stream seconds of a moment given in seconds of ``time.monotonic()``."""

WINDOW = 10.0
"""Seconds over which the least delay is looked for; clocks drift little in that time."""

POLL = 0.01
"""Longest time in seconds that a live sample waits for a picture or sound."""

AHEAD = 8
"""Pictures and pieces of sound that may wait while samples are given."""

PATIENCE = 0.5
"""Seconds between two looks whether the merged source has been left."""


class Feed(Protocol):
    """Gaze that comes in live. It is entered and left by the source that it is merged into."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def take(self, place: Clock) -> list[GazeSample]:
        """What came in since the last call, in time order, never waiting."""
        ...


@dataclass(frozen=True, slots=True)
class _Ended:
    """The source has ended, or was broken by ``error``."""

    error: Exception | None = None


_Arrived = tuple[Media, float] | _Ended
"""Media, and the seconds of ``time.monotonic()`` it came at."""


class LeastDelay:
    """Maps one clock onto another by pairs of times, one of which arrives late.

    What arrives is late by a varying time; the least late of the last :data:`WINDOW` seconds
    tells the offset best.
    """

    def __init__(self) -> None:
        self._since = -math.inf
        self._current = -math.inf
        self._before = -math.inf

    def learn(self, theirs: float, arrived: float) -> None:
        """``theirs`` on the other clock was seen at ``arrived`` on ours."""
        if arrived - self._since > WINDOW:
            self._before, self._current, self._since = self._current, -math.inf, arrived
        self._current = max(self._current, theirs - arrived)

    @property
    def offset(self) -> float:
        """Seconds to add to our clock for theirs; minus infinity before anything is known."""
        return max(self._before, self._current)

    def theirs(self, ours: float) -> float:
        return ours + self.offset


class WithGaze:
    """``source`` with the samples of ``gaze`` put in by time.

    Of a recording, every sample comes before the picture or sound of a later time; samples
    before the first and after the end of the last of these are left out. Live, samples are
    placed on the stream's clock by when pictures and sound arrive, and come at most
    :data:`POLL` later than they came in, however seldom there is a picture.

    Args:
        source: not yet entered; this one enters and leaves it, and the feed.
        gaze: a recording, or a live feed.
        clock: for a feed beside a file that is played: its playhead as a function of
            ``time.monotonic()``. By default the clock is learnt from a live source.

    Attributes:
        skipped: live samples left out because they would go back in time; there may be some
            while the clocks are being learnt.
    """

    def __init__(
        self, source: Source, gaze: GazeTrack | Feed, *, clock: Clock | None = None
    ) -> None:
        self._source = source
        self._gaze = gaze
        self._clock = clock
        self.skipped = 0
        self._learnt = LeastDelay()
        self._ahead: queue.Queue[_Arrived] = queue.Queue(AHEAD)
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._read, name="source beside gaze", daemon=True)

    @property
    def properties(self) -> Properties:
        return self._source.properties

    def __enter__(self) -> Self:
        self._source.__enter__()
        if not isinstance(self._gaze, GazeTrack):
            try:
                self._gaze.__enter__()
            except BaseException:
                self._source.__exit__(None, None, None)
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if not isinstance(self._gaze, GazeTrack):
                self._leave()
                self._gaze.__exit__(kind, error, trace)
        finally:
            self._source.__exit__(kind, error, trace)

    def close(self) -> None:
        self._left.set()
        self._source.close()

    def __iter__(self) -> Iterator[Media]:
        if isinstance(self._gaze, GazeTrack):
            return self._recorded(self._gaze)
        return self._live(self._gaze)

    def _recorded(self, track: GazeTrack) -> Iterator[Media]:
        samples = iter(track)
        waiting = next(samples, None)
        begin: float | None = None
        end = -math.inf
        for media in self._source:
            begin = media.time if begin is None else begin
            end = max(end, media.end if isinstance(media, AudioChunk) else media.time)
            while waiting is not None and waiting.time <= media.time:
                if waiting.time >= begin:
                    yield waiting
                waiting = next(samples, None)
            yield media
        while waiting is not None and waiting.time <= end:
            yield waiting
            waiting = next(samples, None)

    def _live(self, feed: Feed) -> Iterator[Media]:
        """The source is read on a thread of its own, so that samples need not wait for it."""
        last = -math.inf
        self._thread.start()
        while True:
            try:
                arrived: _Arrived | None = self._ahead.get(timeout=POLL)
            except queue.Empty:
                arrived = None
            if isinstance(arrived, tuple):
                media, when = arrived
                ends = media.end if isinstance(media, AudioChunk) else media.time
                self._learnt.learn(ends, when)
            if self._clock is not None or math.isfinite(self._learnt.offset):
                for sample in feed.take(self._clock or self._learnt.theirs):
                    if sample.time > last:
                        last = sample.time
                        yield sample
                    else:
                        self.skipped += 1
            if isinstance(arrived, tuple):
                yield arrived[0]
            elif isinstance(arrived, _Ended):
                if arrived.error is not None:
                    raise arrived.error
                return
            if self._left.is_set():
                return

    def _read(self) -> None:
        ended = _Ended()
        try:
            for media in self._source:
                if not self._hand_over((media, time.monotonic())):
                    return
        except Exception as error:  # for whoever takes the media
            ended = _Ended(error)
        self._hand_over(ended)

    def _hand_over(self, what: _Arrived) -> bool:
        while not self._left.is_set():
            try:
                self._ahead.put(what, timeout=PATIENCE)
                return True
            except queue.Full:
                continue
        return False

    def _leave(self) -> None:
        """End the thread: the source must not be left while it is read."""
        self._left.set()
        if self._thread.is_alive():
            self._source.close()
            self._thread.join(10 * PATIENCE)
