"""What a visitor sees of a source that the browser cannot play itself: its latest picture."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

import cv2

from models.media import Frame, Media
from pipeline.sources.source import Properties, Source


class Passing:
    """Passes a source's media on. A source itself."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def properties(self) -> Properties:
        return self._source.properties

    def __enter__(self) -> Self:
        self._source.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._source.__exit__(kind, error, trace)

    def __iter__(self) -> Iterator[Media]:
        return iter(self._source)

    def close(self) -> None:
        self._source.close()


class Preview(Passing):
    """Remembers the latest picture."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._latest: Frame | None = None

    def __iter__(self) -> Iterator[Media]:
        for media in self._source:
            if isinstance(media, Frame):
                self._latest = media
            yield media

    def jpeg(self) -> tuple[float, bytes] | None:
        """The latest picture's stream time in seconds and its JPEG, or None before any."""
        latest = self._latest
        if latest is None:
            return None
        done, data = cv2.imencode(".jpg", cv2.cvtColor(latest.image, cv2.COLOR_RGB2BGR))
        return (latest.time, bytes(data)) if done else None
