"""Standard input: what another program pipes in, such as ``ffmpeg -i ... -f matroska -``."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import av

from models.media import Media
from pipeline.sources.decode import BrokenStream, Decoder
from pipeline.sources.source import Properties, SourceError
from pipeline.sources.streams import Chosen, choose, described

POLL = 0.1
"""Longest single wait for data, in seconds: how soon a closed pipe is noticed."""

_HOW = "pipe a stream into it, as in: ffmpeg -i INPUT -f matroska - | python launch.py watch -"


class PipeSource:
    """Media from a pipe, from where it is entered to its end.

    Args:
        live: never wait for the pipe's reader, and drop what comes too late, as of a camera;
            otherwise the program that writes is made to wait.
        rate: most frames a second that are given.
        longest_side: larger pictures are scaled down to this many pixels.
        descriptor: the open file to read.

    Raises:
        SourceError: on entering, where nothing that is media comes; on iterating, after all
            that was good, where it breaks.
    """

    def __init__(
        self,
        *,
        live: bool = False,
        rate: float = 4.0,
        longest_side: int = 1280,
        descriptor: int | None = None,
    ) -> None:
        self._live = live
        self._rate = rate
        self._longest_side = longest_side
        self._descriptor = descriptor
        self._pipe: _Pipe | None = None
        self._container: Any = None
        self._chosen = Chosen(None, None, ())
        self._properties: Properties | None = None

    def __enter__(self) -> Self:
        self._pipe = pipe = _Pipe(self._descriptor)
        try:
            self._container = av.open(pipe, metadata_errors="replace")
        except (av.FFmpegError, OSError, ValueError) as error:
            if not pipe.taken:
                raise SourceError(f"nothing came through standard input: {_HOW}") from None
            raise SourceError(
                "what comes through standard input is not media that can be read as it comes "
                f"({getattr(error, 'strerror', None) or error}): {_HOW}"
            ) from None
        try:
            self._chosen = choose(self._container, "standard input")
        except SourceError:
            self._container.close()
            raise
        self._properties = described(self._chosen, "standard input", None, self._live)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        if self._container is not None:
            self._container.close()

    def close(self) -> None:
        if self._pipe is not None:
            self._pipe.closed = True

    @property
    def properties(self) -> Properties:
        if self._properties is None:
            raise SourceError("standard input is not open yet")
        return self._properties

    def __iter__(self) -> Iterator[Media]:
        if self._container is None or self._pipe is None:
            raise SourceError("standard input is not open yet")
        decoder = Decoder(
            self._container,
            self._chosen.video,
            self._chosen.audio,
            rate=self._rate,
            longest_side=self._longest_side,
        )
        try:
            for media in decoder:
                if self._pipe.closed:
                    return
                yield media
        except BrokenStream as broken:
            if self._pipe.closed:
                return
            raise SourceError(
                f"standard input broke off at {broken.time:.1f} s ({broken.reason}); what came "
                "before is kept"
            ) from broken


class _Pipe:
    """A file to PyAV that can only be read on, and ends at once where it is closed.

    Attributes:
        taken: bytes read so far.
    """

    def __init__(self, descriptor: int | None) -> None:
        if descriptor is None:
            try:
                descriptor = sys.stdin.fileno()
            except (AttributeError, OSError, ValueError):
                raise SourceError(f"there is no standard input: {_HOW}") from None
            if os.isatty(descriptor):
                raise SourceError(f"standard input is the keyboard: {_HOW}")
        self._descriptor = descriptor
        self.closed = False
        self.taken = 0

    def read(self, size: int) -> bytes:
        while not self.closed:
            # Windows cannot wait for a pipe with a timeout; there it is read to its end.
            if os.name == "nt" or select.select([self._descriptor], [], [], POLL)[0]:
                data = os.read(self._descriptor, size)
                self.taken += len(data)
                return data
        return b""
