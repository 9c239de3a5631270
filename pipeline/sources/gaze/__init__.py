"""Gaze: from files beside a video, and live from trackers, the pointer and a webcam.

:func:`open_gaze` picks the kind by how it is named.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pipeline.sources.gaze.files import read_gaze
from pipeline.sources.gaze.lsl import LslGaze
from pipeline.sources.gaze.merged import Feed
from pipeline.sources.gaze.track import GazeError, GazeTrack
from pipeline.sources.gaze.udp import UdpGaze
from pipeline.sources.gaze.webcam import open_webcam

__all__ = ["Feed", "GazeError", "GazeTrack", "open_gaze", "read_gaze"]


def open_gaze(
    spec: str,
    *,
    offset: float = 0.0,
    frame_size: tuple[int, int] | None = None,
    calibration: Path | None = None,
) -> GazeTrack | Feed:
    """The gaze that ``spec`` names: a recording that has been read, or a feed not yet entered.

    Args:
        spec: an eye tracker's file; ``udp://:PORT`` for samples sent to this machine
            (``udp://0.0.0.0:PORT`` from others too); ``lsl`` or ``lsl:NAME`` for a stream of
            Lab Streaming Layer; ``webcam`` or ``webcam:DEVICE``.
        offset: seconds added to the times in a file.
        frame_size: width and height in pixels of the picture that pixel positions are in.
        calibration: of the webcam, as :func:`pipeline.sources.gaze.webcam.calibrate` wrote it.

    Raises:
        GazeError: it cannot be had; the message says what to do.
    """
    kind, _, rest = spec.partition(":")
    feed: Feed | None = None
    if spec.startswith("udp://"):
        feed = UdpGaze(*_port_and_host(spec), frame_size=frame_size)
    elif kind == "lsl":
        feed = LslGaze(rest or None, frame_size=frame_size)
    elif kind == "webcam":
        feed = open_webcam(rest or "0", calibration)
    if feed is None:
        return read_gaze(spec, frame_size=frame_size, offset=offset)
    if offset:
        raise GazeError(f"{spec} is live and on the clock of what it comes with: give no offset")
    return feed


def _port_and_host(spec: str) -> tuple[int, str]:
    try:
        address = urlsplit(spec)
        port = address.port
    except ValueError as error:
        raise GazeError(f"{spec}: {error}; write udp://:PORT") from error
    if port is None:
        raise GazeError(f"{spec} lacks a port: write udp://:PORT, such as udp://:5555")
    return port, address.hostname or "127.0.0.1"
