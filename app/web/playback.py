"""What a visitor sees of a source that the browser cannot play itself: its latest picture."""

from __future__ import annotations

from collections.abc import Iterator

from models.media import Frame, Media, jpeg
from pipeline.sources.passing import Passing
from pipeline.sources.source import Source


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
        data = jpeg(latest.image)
        return (latest.time, data) if data else None
