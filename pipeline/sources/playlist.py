"""Folders and lists of files, watched as one stream on one clock."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import av

from models.media import Break, Media, moved
from pipeline.sources.file import FileSource
from pipeline.sources.source import Properties, SourceError

LISTS = (".m3u", ".m3u8", ".txt")
"""Endings of files that name other files, one a line."""

_ENDINGS = (
    ".3gp .aac .avi .flac .flv .m2ts .m4a .m4v .mka .mkv .mov .mp3 .mp4 .mpeg .mpg .mts .mxf .ogg "
    ".ogv .opus .ts .wav .webm .wma .wmv"
)
_MEDIA = frozenset(_ENDINGS.split(" "))


class Playlist:
    """Files one after another: stream time goes on where the one before ended. They may differ
    in everything. One that cannot be read is left out, with a :class:`models.media.Break` in
    its place and a remark that says why; of one that breaks off, what came before is kept.

    Args:
        members: the files, in order.
        name: for people.
        rate, start, skim: see :class:`pipeline.sources.file.FileSource`.

    Raises:
        SourceError: on entering, where none of the files can be read.
    """

    def __init__(
        self,
        members: Sequence[Path],
        name: str,
        *,
        rate: float = 4.0,
        start: float = 0.0,
        skim: bool = False,
    ) -> None:
        self._members = tuple(members)
        self._name = name
        self._rate = rate
        self._start = max(0.0, start)
        self._skim = skim
        self._lengths: list[float] = []
        self._wrong: dict[int, str] = {}
        self._first: Properties | None = None
        self._playing: FileSource | None = None
        self._closed = False

    def __enter__(self) -> Self:
        for number, member in enumerate(self._members):
            length = 0.0
            try:
                with FileSource(member, rate=self._rate) as opened:
                    said = opened.properties
                    length = said.duration if said.duration is not None else _measured(member)
                    if self._first is None or (said.has_video and not self._first.has_video):
                        self._first = said
            except SourceError as error:
                self._wrong[number] = str(error)
            self._lengths.append(length)
        if self._first is None:
            why = next(iter(self._wrong.values()), "it names none")
            raise SourceError(
                f"{self._name}: none of its {len(self._members)} files can be read: {why}"
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._closed = True
        if (playing := self._playing) is not None:
            playing.close()

    @property
    def properties(self) -> Properties:
        """Size and rate are those of the first file with pictures."""
        if self._first is None:
            raise SourceError(f"{self._name} is not open yet")
        skimmed = ("only key frames are looked at",) if self._skim else ()
        return replace(
            self._first,
            name=self._name,
            duration=sum(self._lengths),
            remarks=(*skimmed, *(f"left out: {why}" for _, why in sorted(self._wrong.items()))),
        )

    def __iter__(self) -> Iterator[Media]:
        base = 0.0
        for number, member in enumerate(self._members):
            length = self._lengths[number]
            end = base
            if base + length > self._start or (not length and base >= self._start):
                for media in self._play(number, member, base):
                    end = max(end, getattr(media, "end", media.time))
                    if self._closed:
                        return
                    yield media
            # Kept to what the files say, so that a stream that is gone on with later is the same.
            base = max(base + length, end)

    def _play(self, number: int, member: Path, base: float) -> Iterator[Media]:
        """What one file gives, on the stream's clock."""
        reached = base
        try:
            if number in self._wrong:
                raise SourceError(self._wrong[number])
            start = max(0.0, self._start - base)
            with FileSource(member, rate=self._rate, start=start, skim=self._skim) as self._playing:
                for media in self._playing:
                    placed = moved(media, base)
                    reached = max(reached, getattr(placed, "end", placed.time))
                    yield placed
        except SourceError as error:
            self._wrong[number] = str(error)
            away = max(reached, base + self._lengths[number])
            yield Break(reached, away, f"{member.name} was left out: {error}")


def members_of(path: Path) -> list[Path] | None:
    """The files that a folder or a list names, in order; None where ``path`` is neither.

    Of a folder, these are the video and sound files in it, ordered by name, numbers by value.
    A list is a ``.m3u``, ``.m3u8`` or ``.txt`` file; paths in it are relative to its folder.
    An HLS playlist is one stream, and no list.

    Raises:
        SourceError: there is no file in it, or it cannot be read.
    """
    if path.is_dir():
        found = sorted((p for p in path.iterdir() if _is_media(p)), key=lambda p: _natural(p.name))
        if not found:
            raise SourceError(f"{path} is a folder without video or sound files: name another")
        return found
    if path.suffix.lower() not in LISTS or not path.is_file():
        return None
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read as a list of files: {error}") from error
    if "#EXT-X-" in text:
        return None
    lines = [line.strip() for line in text.splitlines()]
    named = [line for line in lines if line and not line.startswith("#")]
    if not named:
        raise SourceError(f"{path} names no file: write one path a line")
    return [path.parent / line for line in named]


def _is_media(path: Path) -> bool:
    kind = (mimetypes.guess_type(path.name)[0] or "").partition("/")[0]
    named = path.suffix.lower() in _MEDIA or kind in ("video", "audio")
    return named and not path.name.startswith(".") and path.is_file()


def _natural(name: str) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", name.casefold())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _measured(path: Path) -> float:
    """Seconds to the end of the last packet, of a file that does not say how long it lasts."""
    end = 0.0
    try:
        with av.open(str(path), options={"protocol_whitelist": "file,crypto,data"}) as container:
            origin = (container.start_time or 0) / 1_000_000
            for packet in container.demux():
                if packet.pts is not None:
                    last = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                    end = max(end, last - origin)
    except (av.FFmpegError, OSError, ValueError):
        pass  # what is damaged is told when it is read
    return end
