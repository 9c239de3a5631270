"""A network address or a device: a live stream, followed through its faults, or a file far away."""

from __future__ import annotations

import re
import threading
import time as clock
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import av

from models.media import Break, Media
from pipeline.sources.clock import FORWARD
from pipeline.sources.decode import BrokenStream, Decoder
from pipeline.sources.source import Properties, SourceError
from pipeline.sources.streams import Chosen, choose, described

SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp", "srt", "rtp")

OPENING = 10.0
"""Seconds that a stream is given to begin."""

SILENCE = 5.0
"""Seconds without data after which a stream counts as lost."""

LATENESS = 0.5
"""Most seconds of stream time that picture or sound is held back for the other."""

MOST_MISSING = 10.0
"""Seconds that may be missing from a live stream, which is lost after :data:`SILENCE`; where
more is, its time stamps jumped."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds before the first new try, and most between two: each wait doubles."""


class StreamSource:
    """Live media from ``address``. When it goes away it is tried again until it is back, and
    the gap is given as a :class:`models.media.Break`; stream time runs on meanwhile. What has a
    known duration (a file behind a URL) is no live stream, and ends.

    Args:
        address: a URL, or a device where ``format`` is given.
        format: FFmpeg's input format of a device, such as ``"v4l2"``.
        options: FFmpeg's own for this input.
        rate: most frames a second that are given.
        longest_side: larger pictures are scaled down to this many pixels.
        first_wait: seconds before the first new try.
        name: for people, in place of the address.
        silence: seconds without data after which the stream counts as lost.

    Raises:
        SourceError: on entering, where the stream cannot be opened; on iterating, where a
            file breaks off. Never names credentials.
    """

    def __init__(
        self,
        address: str,
        *,
        format: str | None = None,
        options: Mapping[str, str] | None = None,
        rate: float = 4.0,
        longest_side: int = 1280,
        first_wait: float = FIRST_WAIT,
        silence: float = SILENCE,
        name: str | None = None,
    ) -> None:
        self._address = address
        self._name = name or without_credentials(address)
        self._format = format
        self._options = {**_defaults(address), **(options or {})}
        self._rate = rate
        self._longest_side = longest_side
        self._first_wait = first_wait
        self._silence = silence
        self._container: Any = None
        self._chosen = Chosen(None, None, ())
        self._properties: Properties | None = None
        self._closed = threading.Event()
        self.reconnects = 0

    def __enter__(self) -> Self:
        self._connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed.set()
        self._leave()

    def close(self) -> None:
        self._closed.set()

    @property
    def properties(self) -> Properties:
        """As of the last connection."""
        if self._properties is None:
            raise SourceError(f"{self._name} is not open yet")
        return self._properties

    def __iter__(self) -> Iterator[Media]:
        if self._container is None:
            raise SourceError(f"{self._name} is not open yet")
        base, end = 0.0, 0.0
        while not self._closed.is_set():
            reason, finite = "it ended", not self.properties.live
            try:
                for media in self._decoded():
                    if self._closed.is_set():
                        return
                    placed = replace(media, time=media.time + base)
                    end = max(end, getattr(placed, "end", placed.time))
                    yield placed
            except BrokenStream as broken:
                reason = f"it broke ({broken.reason})"
                if finite:
                    raise SourceError(
                        f"{self._name} broke off at {broken.time:.1f} s ({broken.reason}); what "
                        "came before is kept"
                    ) from broken
            if finite:
                return
            self._leave()
            for away in self._until_back(end, f"the source was away: {reason}"):
                end = away.end
                yield away
            base = end

    def _decoded(self) -> Decoder:
        return Decoder(
            self._container,
            self._chosen.video,
            self._chosen.audio,
            rate=self._rate,
            longest_side=self._longest_side,
            lateness=LATENESS,
            forward=FORWARD if self.properties.duration else MOST_MISSING,
        )

    def _until_back(self, lost_at: float, reason: str) -> Iterator[Break]:
        """Tries again and again; gives the time away, try by try, ending with the last."""
        wait = self._first_wait
        lost = noticed = clock.monotonic()
        while not self._closed.wait(wait):
            try:
                self._connect()
            except SourceError:
                wait = min(2 * wait, LONGEST_WAIT)
            else:
                self.reconnects += 1
            now = clock.monotonic()
            yield Break(lost_at + noticed - lost, lost_at + now - lost, reason)
            noticed = now
            if self._container is not None:
                return

    def _connect(self) -> None:
        try:
            container = av.open(
                self._address,
                format=self._format,
                options=self._options,
                timeout=(OPENING, self._silence),
                metadata_errors="replace",  # titles are in any encoding, or damaged
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            hint = "; 'python launch.py sources' lists what is here" if self._format else ""
            raise SourceError(f"{self._name} cannot be opened: {_why(error)}{hint}") from None
        try:
            self._chosen = choose(container, self._name)
        except SourceError:
            container.close()
            raise
        self._container = container
        microseconds = container.duration
        duration = microseconds / 1e6 if microseconds and microseconds > 0 else None
        name = urlsplit(self._name).hostname or self._name
        self._properties = described(self._chosen, name, duration, live=duration is None)

    def _leave(self) -> None:
        if self._container is not None:
            self._container.close()
            self._container = None


def without_credentials(address: str) -> str:
    """``address`` without user, password and query, for messages and logs."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        return address.split("?")[0]
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    # What stands where a port should is a password with a character that ends an address.
    odd = "@" not in host and not re.fullmatch(r"[^:]*|\[.*\](:\d*)?|.*:\d*", host)
    start = rest.rpartition("@")[0] if odd else host.rpartition("@")[0]
    rest = rest[len(start) :].removeprefix("@")
    return scheme + separator + re.split(r"[?#]", rest, maxsplit=1)[0]


def _defaults(address: str) -> dict[str, str]:
    # TCP by default: a lost packet of RTP over UDP smears the picture until the next key frame.
    return {"rtsp_transport": "tcp"} if address.startswith(("rtsp:", "rtsps:")) else {}


def _why(error: Exception) -> str:
    if isinstance(error, av.error.ExitError):
        return f"nothing came within {OPENING:.0f} s: check the address and that it is on"
    if isinstance(error, av.error.HTTPUnauthorizedError):
        return "it wants a user and password: give them as scheme://user:password@host"
    if isinstance(error, av.error.InvalidDataError):
        return "what comes from there is not media"
    return str(getattr(error, "strerror", None) or "it is not reachable").lower()
