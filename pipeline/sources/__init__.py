"""Sources: one module per kind; :func:`open_source` picks the kind by how it is named."""

from __future__ import annotations

from pipeline.sources.file import FileSource
from pipeline.sources.source import Properties, Source, SourceError
from pipeline.sources.stream import SCHEMES, StreamSource

__all__ = ["FileSource", "Properties", "Source", "SourceError", "StreamSource", "open_source"]


def open_source(spec: str, *, rate: float = 4.0, start: float = 0.0) -> Source:
    """The source that ``spec`` names, not yet entered.

    Args:
        spec: the path of a media file, a URL (RTSP, HTTP, HLS and others), or a video device.
        rate: most frames a second that are given.
        start: stream time in seconds to begin at, where the source can: a live stream cannot.

    Raises:
        SourceError: where no kind of source is named so.
    """
    if not spec.strip():
        raise SourceError("no source was named: give the path of a video or sound file, or a URL")
    scheme, separator, _ = spec.partition("://")
    if separator:
        if scheme.lower() not in SCHEMES:
            raise SourceError(f"{scheme}:// is no kind of address that is known: {_known()}")
        return StreamSource(spec, rate=rate)
    if spec.startswith("/dev/video"):
        return StreamSource(spec, format="v4l2", rate=rate)
    return FileSource(spec, rate=rate, start=start)


def _known() -> str:
    return ", ".join(f"{scheme}://" for scheme in SCHEMES)
