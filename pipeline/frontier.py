"""How far a stream may be watched: the watcher waits here, and whoever steps it moves it on."""

from __future__ import annotations

import math
import threading
import time as clock
from collections.abc import Iterator

from models.media import AudioChunk, Media

POLL = 0.1
"""Longest single wait, in seconds."""


class Frontier:
    """Lets media through up to a stream time that may be moved on.

    Args:
        limit: stream seconds; infinite for a stream that is watched as it comes.
    """

    def __init__(self, limit: float = math.inf) -> None:
        self._limit = limit
        self._changed = threading.Condition()
        self._reached = -math.inf
        self._open = True

    def pieces(self, media: Media) -> Iterator[Media]:
        """``media``, as soon as it lies within the limit; sound is cut at it, to the sample.

        Waits meanwhile. Gives nothing more once the frontier is closed.
        """
        rest: Media | None = media
        while rest is not None:
            limit = self._wait_for(rest)
            if limit is None:
                return
            piece, rest = _cut(rest, limit)
            if piece is not None:
                yield piece

    def move(self, limit: float) -> None:
        """Let everything up to stream time ``limit`` through; it never moves back."""
        with self._changed:
            self._limit = max(self._limit, limit)
            self._changed.notify_all()

    def wait_until_reached(self, time: float) -> None:
        """Wait until all up to stream ``time`` was let through and more was asked for."""
        with self._changed:
            while self._open and self._reached < time:
                self._changed.wait(POLL)

    def wait_until_closed(self, timeout: float | None) -> bool:
        """True once closed, False where ``timeout`` seconds have passed first."""
        deadline = math.inf if timeout is None else clock.monotonic() + timeout
        with self._changed:
            while self._open and clock.monotonic() < deadline:
                self._changed.wait(POLL)
            return not self._open

    def close(self) -> None:
        """Let nothing more through, and wake all that wait."""
        with self._changed:
            self._open = False
            self._changed.notify_all()

    def _wait_for(self, media: Media) -> float | None:
        with self._changed:
            while self._open:
                if _cut(media, self._limit)[0] is not None:
                    return self._limit
                if self._reached < self._limit:
                    self._reached = self._limit
                    self._changed.notify_all()
                self._changed.wait(POLL)
            return None


def _cut(media: Media, limit: float) -> tuple[Media | None, Media | None]:
    """What lies within ``limit``, and the rest; None for nothing.

    A picture is there at its time; a sample is over only some time after it began.
    """
    if not isinstance(media, AudioChunk):
        return (media, None) if media.time <= limit else (None, media)
    if media.end <= limit:
        return media, None
    piece, rest = media.split(limit)
    return piece if len(piece.samples) else None, rest if len(rest.samples) else None
