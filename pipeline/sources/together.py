"""Two live sources as one: the pictures of a camera, the sound of a microphone."""

from __future__ import annotations

import threading
import time as clock
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import Self

from models.media import AudioChunk, Frame, Media, moved
from pipeline.sources.source import Properties, Source, SourceError

LATENESS = 0.5
"""Seconds that one of the two is held back for the other."""

HELD = 256
"""Pieces of media that may wait of each; of more the oldest goes."""

POLL = 0.1
PATIENCE = 10.0
"""Seconds that a thread is given to end."""


class Together:
    """Pictures of ``seen`` and sound of ``heard`` in stream-time order, on the clock of the
    first; the second is placed on it by when it was opened. Ends when both have.

    Args:
        seen, heard: live sources, not yet entered; this one enters and leaves them.
        name: for people.

    Attributes:
        dropped: pieces that waited too long for the other source.

    Raises:
        SourceError: on entering, where one cannot be opened; on iterating, where both broke.
    """

    def __init__(self, seen: Source, heard: Source, name: str) -> None:
        self._sources = (seen, heard)
        self._name = name
        self._waiting: tuple[deque[tuple[Media, float]], ...] = (deque(), deque())
        self._running = [False, False]
        self._errors: list[SourceError] = []
        self._changed = threading.Condition()
        self._closed = False
        self._apart = 0.0
        self._threads: list[threading.Thread] = []
        self.dropped = 0

    def __enter__(self) -> Self:
        seen, heard = self._sources
        seen.__enter__()
        opened = clock.monotonic()
        try:
            heard.__enter__()
        except BaseException:
            seen.__exit__(None, None, None)
            raise
        self._apart = clock.monotonic() - opened
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        if not self._threads:
            for source in self._sources:
                source.__exit__(kind, error, trace)
        for thread in self._threads:
            thread.join(PATIENCE)

    def close(self) -> None:
        for source in self._sources:
            source.close()
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def properties(self) -> Properties:
        seen, heard = (source.properties for source in self._sources)
        remarks = (*seen.remarks, *heard.remarks)
        return replace(
            seen, name=self._name, has_audio=heard.has_audio, live=True, duration=None,
            remarks=remarks,
        )  # fmt: skip

    def __iter__(self) -> Iterator[Media]:
        self._running = [True, True]
        self._threads = [
            threading.Thread(target=self._read, args=(place,), name=f"{self._name} {place}")
            for place in range(2)
        ]
        for thread in self._threads:
            thread.daemon = True
            thread.start()
        while (media := self._next()) is not None:
            yield media
        if len(self._errors) == len(self._sources) and not self._closed:
            raise self._errors[0]

    def _next(self) -> Media | None:
        """The earliest piece that nothing still to come should precede."""
        with self._changed:
            while not self._closed:
                held = [(w[0][0].time, place) for place, w in enumerate(self._waiting) if w]
                if not held and not any(self._running):
                    return None
                if held:
                    _, place = min(held)
                    other = 1 - place
                    _, came = self._waiting[place][0]
                    late = came + LATENESS - clock.monotonic()
                    if self._waiting[other] or not self._running[other] or late <= 0:
                        return self._waiting[place].popleft()[0]
                    self._changed.wait(min(late, POLL))
                else:
                    self._changed.wait(POLL)
            return None

    def _read(self, place: int) -> None:
        # A source is left on the thread that reads it: closing it under a read would crash.
        source, unwanted = self._sources[place], AudioChunk if place == 0 else Frame
        apart = self._apart if place else 0.0
        try:
            for media in source:
                if isinstance(media, unwanted):
                    continue
                with self._changed:
                    waiting = self._waiting[place]
                    if len(waiting) >= HELD:
                        waiting.popleft()
                        self.dropped += 1
                    waiting.append((moved(media, apart), clock.monotonic()))
                    self._changed.notify_all()
        except SourceError as error:
            self._errors.append(error)
        finally:
            source.__exit__(None, None, None)
            with self._changed:
                self._running[place] = False
                self._changed.notify_all()
