"""From what a visitor typed to what is watched, where that is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from app.web.addresses import AddressError, resolve
from app.web.guard import Rules
from app.web.room import RoomError, Wanted

_ENDINGS = (
    ".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .ts .ogv .ogg .oga .opus .mp3 .m4a .aac .wav .flac"
)
MEDIA = tuple(_ENDINGS.split(" "))
"""Endings of the files that may be uploaded."""


def wanted(source: str, sample: Path, rules: Rules, headers: Mapping[str, str]) -> Wanted:
    """What ``source`` stands for: ``"sample"``, ``"camera"``, a path or a stream's address.

    Args:
        headers: of the request, by which rules apply or not.

    Raises:
        RoomError: it is empty or not allowed.
    """
    source = source.strip()
    if not source:
        raise RoomError("no source was named: pick the sample, upload a clip, or give a path")
    if source == "sample":
        return Wanted("file", str(sample), sample.name)
    if source == "camera":
        return Wanted("camera", "", "camera")
    if "://" in source:
        try:
            resolve(source, ("rtsp", "rtsps"), rules.may_reach_private(headers))
        except AddressError as error:
            raise RoomError(str(error)) from error
        return Wanted("stream", source, "stream")
    if not rules.may_name_files(headers):
        raise RoomError(
            "files of the server cannot be named from here: upload the clip instead "
            "(whoever runs the server can allow it with --allow-paths)"
        )
    if source.startswith("/dev/"):
        return Wanted("stream", source, Path(source).name)
    path = Path(source).expanduser().absolute()
    return Wanted("file", str(path), path.name)


def uploaded(path: str, gaze: str = "", gaze_offset: float = 0.0) -> Wanted:
    """What a visitor brought along.

    Args:
        gaze: a tracker's file that came with it, if one did.
        gaze_offset: seconds to be added to the times in it.

    Raises:
        RoomError: not a kind of file that is watched.
    """
    if not path:
        raise RoomError("no file was chosen: choose a video or sound file first")
    given = Path(path)
    if given.suffix.lower() not in MEDIA:
        raise RoomError(
            f"{given.name} is not a kind of file that can be watched: {', '.join(MEDIA)}"
        )
    return Wanted("file", path, given.name, keep=True, gaze=gaze, gaze_offset=gaze_offset)
