"""A source read on its own thread into a bounded queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from models.media import Media
from pipeline.sources.backlog import Backlog
from pipeline.sources.source import Properties, Source

POLL = 0.1
"""Longest single wait, in seconds: how soon a closed reader is noticed."""


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

    A file waits when the queue is full. A live source is never waited for: what there is no
    room or no time for is dropped and counted, pictures first (:class:`Backlog` says how).

    Args:
        source: a source that is not yet entered; the reader enters and leaves it.
        capacity: items the queue holds, gaze samples not counted.
        pace: give media no sooner than :attr:`playhead` reaches its time.
        playhead: the position of whatever plays the file; by default one that starts to run
            with the reader, at the time of the first item.
        clock: seconds that have passed, by which media of a live source is late.

    Attributes:
        read: items read from the source.
    """

    def __init__(
        self,
        source: Source,
        capacity: int = 64,
        *,
        pace: bool = False,
        playhead: Playhead | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity}")
        self._source = source
        self._capacity = capacity
        self._pace = pace
        self._own_playhead = playhead is None
        self.playhead = playhead or Playhead()
        self._clock = clock
        self.read = 0
        self._live = False
        self._queue = Backlog(capacity, live=False)
        self._changed = threading.Condition()
        self._done = False
        self._closed = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)

    def __enter__(self) -> Self:
        self._source.__enter__()
        self._live = self._source.properties.live
        self._queue = Backlog(self._capacity, self._live)
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
    def live(self) -> bool:
        """Whether the source is never waited for; once entered."""
        return self._live

    @property
    def dropped(self) -> int:
        """Items read and not given."""
        return self._queue.dropped

    @property
    def lag(self) -> float:
        """Seconds of stream time between what has come and what was taken last."""
        with self._changed:
            return self._queue.lag(self._clock())

    def stop(self) -> None:
        """Give nothing more, and tell the thread to end; :meth:`close` waits for it."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._source.close()

    def close(self, timeout: float = 5.0) -> bool:
        """Ends reading; True where the thread ended within ``timeout`` seconds."""
        self.stop()
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
                while (media := self._queue.take(self._clock())) is None:
                    if self._closed:
                        return
                    if self._done:
                        if self._error is not None:
                            raise self._error
                        return
                    self._changed.wait(POLL)
                if self._closed:
                    return
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
        with self._changed:
            while not (self._closed or self._live) and self._queue.full(media):
                self._changed.wait(POLL)
            if self._closed:
                return False
            self._queue.put(media, self._clock())
            self.read += 1
            self._changed.notify_all()
            return True
