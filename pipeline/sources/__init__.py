"""Sources: one module per kind; :func:`open_source` picks the kind by how it is named."""

from __future__ import annotations

from pathlib import Path

from pipeline.sources.devices import is_device, open_device
from pipeline.sources.file import FileSource
from pipeline.sources.pipe import PipeSource
from pipeline.sources.playlist import Playlist, members_of
from pipeline.sources.source import Properties, Source, SourceError
from pipeline.sources.stream import SCHEMES, StreamSource, without_credentials
from pipeline.sources.thinning import SPARSE

__all__ = [
    "FileSource",
    "PipeSource",
    "Playlist",
    "Properties",
    "Source",
    "SourceError",
    "StreamSource",
    "open_source",
]


def open_source(
    spec: str, *, rate: float = 4.0, start: float = 0.0, live: bool = False, skim: bool = False
) -> Source:
    """The source that ``spec`` names, not yet entered.

    Args:
        spec: the path of a media file, a folder, or a list of files (``.m3u``, ``.txt``); a URL
            (RTSP, HTTP, HLS and others); devices (``camera:0``, ``mic:default``, ``screen:``,
            ``camera:0+mic:default``, ``/dev/video0``); or ``-`` for standard input.
        rate: most frames a second that are given.
        start: stream time in seconds to begin at, where the source can: a live stream cannot.
        live: standard input is never waited for.
        skim: of files, look at no more than a key frame a second.

    Raises:
        SourceError: where no kind of source is named so, or that kind cannot be skimmed.
    """
    if skim:
        if spec == "-" or "://" in spec or is_device(spec):
            raise SourceError(f"{without_credentials(spec)} cannot be skimmed: only files can")
        rate = SPARSE
    if not spec.strip():
        raise SourceError("no source was named: give the path of a video or sound file, or a URL")
    if spec == "-":
        return PipeSource(live=live, rate=rate)
    scheme, separator, _ = spec.partition("://")
    if separator:
        if scheme.lower() not in SCHEMES:
            raise SourceError(f"{scheme}:// is no kind of address that is known: {_known()}")
        return StreamSource(spec, rate=rate)
    if is_device(spec):
        return open_device(spec, rate)
    members = members_of(Path(spec))
    if members is not None:
        return Playlist(members, Path(spec).name, rate=rate, start=start, skim=skim)
    return FileSource(spec, rate=rate, start=start, skim=skim)


def _known() -> str:
    return ", ".join(f"{scheme}://" for scheme in SCHEMES)
