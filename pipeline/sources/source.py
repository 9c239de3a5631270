"""What every source of media is: a context manager that yields media in stream-time order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from models.media import Media


class SourceError(Exception):
    """A source cannot be opened or read.

    The message names the path or URL (never its credentials), what failed, and what to do.
    """


@dataclass(frozen=True, slots=True)
class Properties:
    """What a source says of itself once it is open.

    Attributes:
        name: short name for people: a file name, a camera, a host.
        duration: seconds, or None where it is not known or the source is live.
        live: a live source is never waited for; a file is never dropped from.
        width, height: pixels of the upright picture; 0 without video.
        frame_rate: frames a second as the container says; 0 without video.
        has_video, has_audio: which streams will come.
        start: seconds on its own clock at which it was told to begin, so that a session goes on.
        remarks: things a person should know ("two video streams, took 480x270").
    """

    name: str
    duration: float | None
    live: bool
    width: int
    height: int
    frame_rate: float
    has_video: bool
    has_audio: bool
    remarks: tuple[str, ...] = ()
    start: float = 0.0


class Source(Protocol):
    """Media on its own clock. Enter it, read its properties, iterate it once.

    Iteration raises :class:`SourceError` when reading breaks; everything yielded before
    that is good and stays seen. ``close`` may be called from another thread and ends the
    iteration at the next item.
    """

    @property
    def properties(self) -> Properties: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def __iter__(self) -> Iterator[Media]: ...

    def close(self) -> None: ...
