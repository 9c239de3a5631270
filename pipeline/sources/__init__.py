"""Sources: one module per kind; :func:`open_source` picks the kind by how it is named."""

from __future__ import annotations

from pipeline.sources.file import FileSource
from pipeline.sources.source import Properties, Source, SourceError

__all__ = ["FileSource", "Properties", "Source", "SourceError", "open_source"]


def open_source(spec: str, *, rate: float = 4.0, start: float = 0.0) -> Source:
    """The source that ``spec`` names, not yet entered.

    Args:
        spec: the path of a media file.
        rate: most frames a second that are given.
        start: stream time in seconds to begin at, where the source can.

    Raises:
        SourceError: where no kind of source is named so.
    """
    if not spec.strip():
        raise SourceError("no source was named: give the path of a video or sound file")
    return FileSource(spec, rate=rate, start=start)
