"""Which of a container's streams are watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from av.stream import Disposition

from pipeline.sources.source import Properties, SourceError

MOST_FRAMES = 1000.0
"""Frames a second above which a stated rate is taken for damage."""

LONGEST_FRAME = 600.0
"""Seconds between two frames above which it is so too."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The video and audio streams of a container to watch, either of which may be None.

    ``remarks`` say what a person should know of the choice.
    """

    video: Any
    audio: Any
    remarks: tuple[str, ...]


def choose(container: Any, name: str) -> Chosen:
    """The largest video stream and the sound that goes with it.

    Raises:
        SourceError: there is neither; names ``name``.
    """
    streams = container.streams
    videos = [
        s
        for s in streams.video
        if s.codec_context is not None and not s.disposition & Disposition.attached_pic
    ]
    audios = [s for s in streams.audio if s.codec_context is not None]
    if not videos and not audios:
        raise SourceError(f"{name} has no video or sound that can be decoded")
    video: Any = max(videos, key=lambda s: s.width * s.height, default=None)
    best = streams.best("audio", related=video) if audios else None
    audio = best if best in audios else next(iter(audios), None)
    remarks = []
    if len(videos) > 1:
        taken = f"{video.width}x{video.height}"
        remarks.append(f"{len(videos)} video streams, took the largest ({taken})")
    if len(audios) > 1:
        place = audios.index(audio) + 1
        remarks.append(f"{len(audios)} audio streams, took number {place}")
    return Chosen(video, audio, tuple(remarks))


def frame_rate(video: Any) -> float:
    """Frames a second of a video stream, 0 where it does not say or cannot be right."""
    rate = float(video.average_rate or 0)
    return rate if 1 / LONGEST_FRAME <= rate <= MOST_FRAMES else 0.0


def aspect(video: Any) -> float:
    """Width of a pixel of a video stream in its heights, 1 where it does not say."""
    return float((video is not None and video.sample_aspect_ratio) or 1)


def described(chosen: Chosen, name: str, duration: float | None, live: bool) -> Properties:
    """What a source of the ``chosen`` streams says of itself."""
    video = chosen.video
    return Properties(
        name=name,
        duration=duration,
        live=live,
        width=0 if video is None else video.width,
        height=0 if video is None else video.height,
        frame_rate=0.0 if video is None else frame_rate(video),
        has_video=video is not None,
        has_audio=chosen.audio is not None,
        remarks=chosen.remarks,
    )
