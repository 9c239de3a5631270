"""A file: anything that FFmpeg reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av

from models.media import Media
from pipeline.sources.decode import BrokenStream, Decoder
from pipeline.sources.source import Properties, SourceError
from pipeline.sources.streams import choose, described

CUT_SHORT = 1.0
"""Seconds by which a file may end before its stated duration without being called cut off."""


class FileSource:
    """The best video and audio streams of a media file, from ``start`` to its end.

    Args:
        path: the file.
        rate: most frames a second that are given; where they are few,
            others are not even decoded (:class:`pipeline.sources.thinning.Thinning`).
        start: stream time in seconds to begin at; times given stay those of the file.
        longest_side: larger pictures are scaled down to this many pixels.
        skim: decode key frames alone, however far apart they are: by far the fastest, and blind
            to what is only seen between them. A remark says how far that is.

    Raises:
        SourceError: on entering, where the file is missing, a folder, empty, no media, has
            nothing to decode or cannot begin at ``start``; on iterating, after all that was
            good, where it is broken.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        rate: float = 4.0,
        start: float = 0.0,
        longest_side: int = 1280,
        skim: bool = False,
    ) -> None:
        if not rate > 0:
            raise ValueError(f"rate must be above 0 frames a second, not {rate}")
        self._path = Path(path)
        self._rate = rate
        self._start = max(0.0, start)
        self._longest_side = longest_side
        self._skim = skim
        self._container: Any = None
        self._decoder: Decoder | None = None
        self._closed = False
        self._duration: float | None = None
        self._properties: Properties | None = None

    def __enter__(self) -> Self:
        self._container = self._open()
        try:
            chosen = choose(self._container, str(self._path))
            if self._start:
                self._seek()
            self._decoder = decoder = Decoder(
                self._container,
                chosen.video,
                chosen.audio,
                rate=self._rate,
                longest_side=self._longest_side,
                start=self._start,
                thin=True,
                skim=self._skim,
            )
            if chosen.video is not None:
                decoder.begin()  # the first picture knows its rotation
            microseconds = self._container.duration
            if microseconds and microseconds > 0:
                self._duration = microseconds / 1_000_000
            # Kept, since a source says of itself also what it was when it has been left.
            said = described(chosen, self._path.name, self._duration, live=False)
            width, height = decoder.size or (said.width, said.height)
            remarks = said.remarks
            if self._skim and decoder.thinning is not None:
                remarks = (*remarks, decoder.thinning.remark)
            self._properties = replace(said, width=width, height=height, remarks=remarks)
        except BaseException:
            self._container.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed = True
        if self._container is not None:
            self._container.close()

    def close(self) -> None:
        self._closed = True

    @property
    def properties(self) -> Properties:
        said = self._properties
        if said is None:
            raise SourceError(f"{self._path} is not open yet")
        if self._decoder is None or not self._decoder.skipped:
            return said
        count = self._decoder.skipped
        left_out = f"{count} damaged packet{'s' if count > 1 else ''} left out"
        return replace(said, remarks=(*said.remarks, left_out))

    def __iter__(self) -> Iterator[Media]:
        decoder = self._decoder
        if decoder is None:
            raise SourceError(f"{self._path} is not open yet")
        try:
            for media in decoder:
                if self._closed:
                    return
                yield media
        except BrokenStream as broken:
            raise SourceError(
                f"{self._path} is damaged: it can be read up to {broken.time:.1f} s "
                f"({broken.reason}); what came before is kept"
            ) from broken
        duration = self._duration
        if duration is not None and decoder.time < min(duration - CUT_SHORT, duration * 0.9):
            raise SourceError(
                f"{self._path} is cut off: it says it lasts {duration:.1f} s but ends at "
                f"{decoder.time:.1f} s; what came before is kept"
            )

    def _open(self) -> Any:
        path = self._path
        if path.is_dir():
            raise SourceError(f"{path} is a folder: name a media file in it")
        if not path.exists():
            raise SourceError(f"{path} does not exist: check the path")
        if path.is_file() and path.stat().st_size == 0:
            raise SourceError(f"{path} is empty (0 bytes): it was not recorded or copied fully")
        try:
            # A playlist that poses as a local file must not reach out to the network.
            container = av.open(
                str(path),
                options={"protocol_whitelist": "file,crypto,data"},
                metadata_errors="replace",  # titles are in any encoding, or damaged
            )
        except av.error.InvalidDataError as error:
            raise self._not_media() from error
        except (av.FFmpegError, OSError) as error:
            raise SourceError(f"{path} cannot be opened: {error.strerror or error}") from error
        if container.format.name == "tty":  # FFmpeg would draw any text as a terminal
            container.close()
            raise self._not_media()
        return container

    def _not_media(self) -> SourceError:
        return SourceError(
            f"{self._path} is not a video or sound file that can be read "
            "(not media, or damaged at its very beginning)"
        )

    def _seek(self) -> None:
        origin = self._container.start_time or 0
        try:
            self._container.seek(origin + int(self._start * 1_000_000))
        except av.FFmpegError as error:
            raise SourceError(
                f"{self._path} cannot be read from {self._start:.1f} s on: it is not seekable"
            ) from error
