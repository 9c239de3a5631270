"""Small media files made by PyAV for the ingest tests."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_clip(
    path: Path,
    *,
    seconds: float = 3.0,
    fps: int = 10,
    size: tuple[int, int] = (160, 96),
    tone: float | None = 440.0,
    audio_starts: tuple[float, ...] = (0.0,),
    audio_seconds: float | None = None,
    streams: tuple[tuple[int, int], ...] = (),
    codec: str = "mpeg4",
) -> Path:
    """A clip whose brightness rises with time, with a tone in runs from ``audio_starts``."""
    with av.open(str(path), "w") as container:
        videos = []
        for width, height in streams or ((size,) if size[0] else ()):
            video = container.add_stream(codec, rate=fps)
            video.width, video.height, video.pix_fmt = width, height, "yuv420p"
            videos.append(video)
        audio = container.add_stream("aac", rate=44100) if tone is not None else None
        for i in range(round(seconds * fps)):
            for video in videos:
                level = np.uint8(20 + 200 * i / (seconds * fps))
                picture = np.full((video.height, video.width, 3), level, np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = i, Fraction(1, fps)
                container.mux(video.encode(frame))
        if audio is not None:
            length = audio_seconds or seconds
            for start in audio_starts:
                for block in range(int(length * 44100) // 1024):
                    t = (np.arange(1024) + block * 1024) / 44100
                    wave = (0.5 * np.sin(2 * np.pi * (tone or 0) * t)).astype(np.float32)
                    sound = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
                    sound.sample_rate = 44100
                    sound.pts = round(start * 44100) + block * 1024
                    sound.time_base = Fraction(1, 44100)
                    container.mux(audio.encode(sound))
            container.mux(audio.encode(None))
        for video in videos:
            container.mux(video.encode(None))
    return path


def part(clip: Path, path: Path, start: float, end: float) -> Path:
    """The stretch of ``clip`` from ``start`` to ``end`` seconds, its packets as they are."""
    with av.open(str(clip)) as whole, av.open(str(path), "w") as cut:
        streams = {s.index: cut.add_stream_from_template(s) for s in whole.streams}
        whole.seek(round(start * 1_000_000))
        for packet in whole.demux():
            if packet.dts is None or not start <= packet.pts * packet.time_base < end:
                continue
            origin = round(start / packet.time_base)
            packet.pts, packet.dts = packet.pts - origin, packet.dts - origin
            packet.stream = streams[packet.stream.index]
            cut.mux(packet)
    return path
