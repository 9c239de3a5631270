"""Cameras, microphones and screens of this machine, by FFmpeg's input devices."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av

from pipeline.sources.source import Source, SourceError
from pipeline.sources.stream import StreamSource
from pipeline.sources.together import Together

KINDS = ("camera", "mic", "screen")
"""What a spec such as ``camera:0`` may begin with."""

_FORMATS: dict[str, dict[str, tuple[str, ...]]] = {
    "linux": {"camera": ("v4l2",), "mic": ("pulse", "alsa"), "screen": ("x11grab",)},
    "darwin": dict.fromkeys(KINDS, ("avfoundation",)),
    "win32": {"camera": ("dshow",), "mic": ("dshow",), "screen": ("gdigrab",)},
}
_NOUNS = {"camera": "cameras", "mic": "microphones", "screen": "screens"}

_ALSA = Path("/usr/share/alsa")
"""Where ALSA's settings are; PyAV's own ALSA looks for them where it was built, in vain."""


@dataclass(frozen=True, slots=True)
class Device:
    """One that is here.

    Attributes:
        kind: one of :data:`KINDS`.
        spec: by which it is watched.
        name: what it calls itself.
    """

    kind: str
    spec: str
    name: str


def is_device(spec: str) -> bool:
    """Whether a spec names devices: ``camera:0``, ``screen:``, ``camera:0+mic:default``."""
    return spec.startswith("/dev/video") or (spec.partition(":")[0] in KINDS and ":" in spec)


def open_device(spec: str, rate: float) -> Source:
    """The devices that ``spec`` names, not yet entered: one, or a camera or screen and a
    microphone joined by ``+``.

    Raises:
        SourceError: it is no such spec, or this build of FFmpeg cannot read such devices.
    """
    parts = [part.strip() for part in spec.split("+")]
    if len(parts) == 1:
        return _one(parts[0], rate)
    kinds = [part.partition(":")[0] for part in parts]
    if len(parts) != 2 or kinds[1] != "mic" or kinds[0] == "mic":
        raise SourceError(
            f"{spec}: join a camera or a screen and a microphone, as in camera:0+mic:default"
        )
    return Together(_one(parts[0], rate), _one(parts[1], rate), spec)


def _one(spec: str, rate: float) -> Source:
    kind, colon, which = spec.partition(":")
    if spec.startswith("/dev/video"):
        kind, colon, which = "camera", ":", spec
    if kind not in KINDS or not colon:
        raise SourceError(f"{spec}: no device; there are camera:0, mic:default and screen:")
    format = _format(kind)
    address, options = _address(kind, which, format)
    return StreamSource(address, format=format, options=options, rate=rate, name=spec)


def _format(kind: str) -> str:
    """The input format by which this build of FFmpeg reads such devices here."""
    wanted = _FORMATS.get(sys.platform, _FORMATS["linux"])[kind]
    for format in wanted:
        try:
            av.format.ContainerFormat(format, "r")
        except ValueError:
            continue
        return format
    raise SourceError(
        f"{_NOUNS[kind]} cannot be read here: this build of PyAV (FFmpeg) has no "
        f"{' or '.join(wanted)}; pipe them in instead: ffmpeg -f {wanted[-1]} -i ... "
        "-f matroska - | python launch.py watch -"
    )


def _address(kind: str, which: str, format: str) -> tuple[str, dict[str, str]]:
    """What FFmpeg calls the device, and its options."""
    match format:
        case "v4l2":
            return (f"/dev/video{which or 0}" if (which or "0").isdigit() else which), {}
        case "alsa":
            if _ALSA.is_dir():
                os.environ.setdefault("ALSA_CONFIG_DIR", str(_ALSA))
                os.environ.setdefault("ALSA_CONFIG_PATH", str(_ALSA / "alsa.conf"))
            return which or "default", {}
        case "x11grab":
            display = f":{which}" if which.isdigit() else which or os.environ.get("DISPLAY", "")
            if not display:
                raise SourceError(
                    "no screen is here: DISPLAY is not set. Name one, as in screen:0 for the "
                    "X display :0 (a Wayland desktop shows only what runs under XWayland)"
                )
            return display, {"framerate": "10"}
        case "avfoundation":
            if kind == "mic":
                return f":{which or 'default'}", {}
            screen = f"Capture screen {which or 0}"
            return f"{screen if kind == 'screen' else which or 'default'}:none", {}
        case "dshow":
            return f"{'audio' if kind == 'mic' else 'video'}={which}", {}
        case "gdigrab":
            return (f"title={which}" if which and not which.isdigit() else "desktop"), {
                "framerate": "10"
            }
    return which, {}


def devices() -> list[Device]:
    """The cameras, microphones and screens that are here."""
    return [device for kind in KINDS for device in _here(kind)]


def _here(kind: str) -> Iterator[Device]:
    try:
        format = _format(kind)
    except SourceError:
        return
    if format == "x11grab":
        yield from _displays()
        return
    if format == "gdigrab":
        yield Device("screen", "screen:", "the desktop")
        return
    if format == "alsa":
        if not Path("/proc/asound/cards").exists():  # else ALSA writes its complaints itself
            return
        _address("mic", "", "alsa")
    try:
        found = av.enumerate_input_devices(format)
    except (av.FFmpegError, ValueError):
        return
    for device in found:
        screen = device.description.startswith("Capture screen")
        media = "audio" if kind == "mic" else "video"
        if (device.media_types and media not in device.media_types) or screen != (kind == "screen"):
            continue
        which = device.description.rpartition(" ")[2] if screen else device.name
        if format == "dshow":
            which = device.description
        yield Device(kind, f"{kind}:{which.removeprefix('/dev/video')}", device.description)


def _displays() -> Iterator[Device]:
    """X displays: the one of this session, and those with a socket on this machine."""
    mine = os.environ.get("DISPLAY", "")
    if mine:
        yield Device("screen", "screen:", f"the X display {mine}")
    for socket in sorted(Path("/tmp/.X11-unix").glob("X*")):
        number = socket.name.removeprefix("X")
        if number.isdigit() and mine.partition(".")[0] != f":{number}":
            yield Device("screen", f"screen:{number}", f"the X display :{number}")
