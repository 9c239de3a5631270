"""A source read on its own thread into a bounded queue."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from models.media import AudioChunk, Break, Frame, GazeSample, Media
from pipeline.sources.source import Properties, Source

POLL = 0.1
"""Longest single wait, in seconds: how soon a closed reader is noticed."""

GAZE_HELD = 4096
"""Gaze samples the queue holds beside its pictures and sound: 20 seconds at 200 Hz."""


class Playhead:
    """Where a file that is played at its own pace has got to. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._position = 0.0
        self._since: float | None = None

    @property
    def position(self) -> float:
        """Stream time in seconds."""
        with self._lock:
            running = 0.0 if self._since is None else time.monotonic() - self._since
            return self._position + running

    @position.setter
    def position(self, seconds: float) -> None:
        with self._lock:
            self._position = seconds
            if self._since is not None:
                self._since = time.monotonic()

    def play(self) -> None:
        with self._lock:
            if self._since is None:
                self._since = time.monotonic()

    def pause(self) -> None:
        with self._lock:
            if self._since is not None:
                self._position += time.monotonic() - self._since
                self._since = None


class Reader:
    """Opens ``source``, reads it on a thread, and gives its media in order.

    A file waits when the queue is full. A live source is never waited for: the oldest frame
    that has not been taken is dropped and counted; sound is dropped only where no frame is
    left to drop. Gaze samples take no place from either; of more than :data:`GAZE_HELD` the
    oldest is dropped.

    Args:
        source: a source that is not yet entered; the reader enters and leaves it.
        capacity: items the queue holds, gaze samples not counted.
        pace: give media no sooner than :attr:`playhead` reaches its time.
        playhead: the position of whatever plays the file; by default one that starts to run
            with the reader, at the time of the first item.

    Attributes:
        read, dropped: items read from the source, and those of them dropped.
    """

    def __init__(
        self,
        source: Source,
        capacity: int = 64,
        *,
        pace: bool = False,
        playhead: Playhead | None = None,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity}")
        self._source = source
        self._capacity = capacity
        self._pace = pace
        self._own_playhead = playhead is None
        self.playhead = playhead or Playhead()
        self.read = 0
        self.dropped = 0
        self._live = False
        self._queue: deque[Media] = deque()
        self._gaze_held = 0
        self._changed = threading.Condition()
        self._newest = 0.0
        self._given = 0.0
        self._done = False
        self._closed = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)

    def __enter__(self) -> Self:
        self._source.__enter__()
        self._live = self._source.properties.live
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def properties(self) -> Properties:
        return self._source.properties

    @property
    def lag(self) -> float:
        """Seconds of stream time between what was read last and what was taken last."""
        with self._changed:
            return max(0.0, self._newest - self._given)

    def close(self, timeout: float = 5.0) -> bool:
        """Ends reading; True where the thread ended within ``timeout`` seconds."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._source.close()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def __iter__(self) -> Iterator[Media]:
        """Media until the source ends or the reader is closed.

        Raises:
            SourceError: what broke the source, after all that was read before.
        """
        while True:
            with self._changed:
                while not self._queue:
                    if self._closed:
                        return
                    if self._done:
                        if self._error is not None:
                            raise self._error
                        return
                    self._changed.wait(POLL)
                if self._closed:
                    return
                media = self._queue.popleft()
                self._gaze_held -= isinstance(media, GazeSample)
                self._given = media.time
                self._changed.notify_all()
            yield media

    def _run(self) -> None:
        # The source is left on the thread that reads it: closing it under a read would crash.
        try:
            for media in self._source:
                if not (self._wait_for_playhead(media) and self._put(media)):
                    break
        except Exception as error:  # whatever it is, it is the consumer's to handle
            self._error = error
        finally:
            self._source.__exit__(None, None, None)
            with self._changed:
                self._done = True
                self._changed.notify_all()

    def _wait_for_playhead(self, media: Media) -> bool:
        if not self._pace:
            return True
        if self._own_playhead and self.read == 0:
            self.playhead.position = media.time
            self.playhead.play()
        with self._changed:
            while not self._closed and (ahead := media.time - self.playhead.position) > 0:
                self._changed.wait(min(ahead, POLL))
            return not self._closed

    def _put(self, media: Media) -> bool:
        gaze = isinstance(media, GazeSample)
        with self._changed:
            if self._live:
                while self._full(gaze):
                    self._drop(gaze)
            else:
                while not self._closed and self._full(gaze):
                    self._changed.wait(POLL)
            if self._closed:
                return False
            self._queue.append(media)
            self._gaze_held += gaze
            self._newest = media.time
            self.read += 1
            self._changed.notify_all()
            return True

    def _full(self, gaze: bool) -> bool:
        if gaze:
            return self._gaze_held >= GAZE_HELD
        return len(self._queue) - self._gaze_held >= self._capacity

    def _drop(self, gaze: bool) -> None:
        kinds = (GazeSample,) if gaze else (Frame, Break, AudioChunk)
        held = (i for kind in kinds for i, m in enumerate(self._queue) if isinstance(m, kind))
        del self._queue[next(held)]
        self._gaze_held -= gaze
        self.dropped += 1
