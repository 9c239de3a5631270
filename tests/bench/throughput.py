"""How much faster than real time video is decoded, sampled and compressed on one core.

    python -m tests.bench.throughput [--seconds 20] [--report MD]
    python -m tests.bench.throughput --watch CLIP [CLIP ...]

Files of 720p and 1080p at 30 frames a second are made from the first real clip beside the project
(from the sample without it), with a key frame every second and with the encoder's own choice.
Everything is timed by processor time, one after the other in one process on one thread, so that
another's work on the machine moves it little: plain PyAV decoding, the same with each picture
turned into RGB, OpenCV's ``VideoCapture``, and Onlooker's way with every frame, with 4 and with 1
frame a second. ``--watch`` watches clips whole with the embedded engine.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import torch

from app.home import ROOT, SAMPLE, home
from memory.memory import Memory
from models.compression.slow_fast import SlowFast
from models.media import Frame
from models.reasoning.multimodal.visual import VisualFeatures
from pipeline.engine import Choice, load_engine
from pipeline.sampler import Sampler
from pipeline.session import Session
from pipeline.sources import FileSource

CLIPS = ROOT.parent / "shared" / "clips"
SIZES = {"720p": "1280:720", "1080p": "1920:1080"}


def made(folder: Path, name: str, size: str, seconds: int, keys: int | None) -> Path:
    """A clip of 30 frames a second, with a key frame every ``keys`` frames."""
    source = CLIPS / "bigbuckbunny.mp4"
    path = folder / f"{name}-{keys or 'own'}.mp4"
    call = ["ffmpeg", "-v", "error", "-stream_loop", "-1", "-i"]
    call += [str(source if source.exists() else SAMPLE), "-t", str(seconds), "-r", "30", "-an"]
    call += ["-vf", f"scale={size}", "-c:v", "libx264", "-preset", "veryfast"]
    call += ["-pix_fmt", "yuv420p", *(["-g", str(keys)] if keys else []), str(path)]
    subprocess.run(call, check=True)
    return path


def plain(path: Path, rgb: bool = False) -> None:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        for frame in container.decode(stream):
            if rgb:
                frame.to_ndarray(format="rgb24")


def opencv(path: Path) -> None:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    while capture.read()[0]:
        pass
    capture.release()


def ours(path: Path, rate: float) -> list[float]:
    """Decode, sample and compress: of each picture looked at, a grid of features as vision gives
    it, put aside as fast and slow tokens every ten seconds; times of the pictures given."""
    sampler, compress, given = Sampler(1.0, 2.0), SlowFast(), []
    grid = torch.from_numpy(np.random.default_rng(0).standard_normal((7, 7, 320), np.float32))
    taken: list[float] = []

    def put_aside() -> None:
        features = VisualFeatures(torch.stack([grid] * len(taken)), tuple(taken))
        compress.fast(features, 10.0)
        compress.slow(features, 10.0)
        taken.clear()

    with FileSource(path, rate=rate, longest_side=4096) as source:
        for media in source:
            if isinstance(media, Frame):
                given.append(media.time)
                if sampler.offer(media):
                    taken.append(media.time)
                if taken and media.time >= taken[0] + 10:
                    put_aside()
    if taken:
        put_aside()
    return given


def timed(work: Callable[[], object]) -> float:
    """Processor seconds, the best of two."""
    best = math.inf
    for _ in range(2):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def late(times: list[float], rate: float) -> tuple[float, float]:
    """How much later than the start of its ``1 / rate`` seconds a frame is: mean and most."""
    apart = [time - math.floor((time + 0.001) * rate) / rate for time in times]
    return sum(apart) / len(apart), max(apart)


def compared(seconds: int) -> list[str]:
    """A table of video seconds a processor second."""
    lines = [
        "| file | way | video seconds a second | of plain | frames given | late s (mean, most) |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for name, size in SIZES.items():
            for keys in (30, None):
                path = made(Path(folder), name, size, seconds, keys)
                base = timed(lambda path=path: plain(path))
                ways: list[tuple[str, Callable[[], object], float]] = [
                    ("plain PyAV, into RGB", lambda path=path: plain(path, rgb=True), 0),
                    ("OpenCV VideoCapture", lambda path=path: opencv(path), 0),
                    ("every frame", lambda path=path: ours(path, math.inf), math.inf),
                    ("4 frames a second", lambda path=path: ours(path, 4.0), 4),
                    ("1 frame a second", lambda path=path: ours(path, 1.0), 1),
                ]
                named = f"{name}, {'a key frame a second' if keys else 'key frames as they come'}"
                lines.append(f"| {named} | plain PyAV | {seconds / base:.1f} | 1.00 | | |")
                for way, work, rate in ways:
                    took = timed(work)
                    row = f"| {named} | {way} | {seconds / took:.1f} | {base / took:.2f} |"
                    if rate:
                        times = ours(path, rate)
                        row += f" {len(times)} |"
                        if math.isfinite(rate):
                            mean, most = late(times, rate)
                            row += f" {mean:.2f}, {most:.2f}"
                        row += " |"
                    else:
                        row += " | |"
                    lines.append(row)
                    print(row, flush=True)
    return lines


def watched(clips: list[Path]) -> list[str]:
    """A table of clips watched whole with the embedded engine, in times real time."""
    engine = load_engine(Choice(), home())
    lines = [
        "| clip | seconds | by the clock | by processor time on 2 cores | looked at |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for clip in clips:
        with Memory.open(None, engine.embed) as memory:
            began, spent = time.perf_counter(), time.process_time()
            with Session(FileSource(clip), engine, memory) as session:
                session.wait()
                took, spent = time.perf_counter() - began, time.process_time() - spent
                status = session.status
        row = (
            f"| {clip.name} | {status.time:.0f} | {status.time / took:.2f} | "
            f"{status.time / (spent / 2):.2f} | {status.sampled} |"
        )
        lines.append(row)
        print(row, flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--watch", type=Path, nargs="+", metavar="CLIP")
    parser.add_argument("--report", type=Path, help="a file that the table is added to")
    wanted = parser.parse_args()
    cv2.setNumThreads(1)
    if not wanted.watch:
        torch.set_num_threads(1)
    lines = watched(wanted.watch) if wanted.watch else compared(wanted.seconds)
    text = "\n".join([*lines, "", f"Load average at the end: {os.getloadavg()[0]:.1f}.", ""])
    print(text)
    if wanted.report is not None:
        with wanted.report.open("a", encoding="utf-8") as report:
            print(text, file=report)


if __name__ == "__main__":
    main()
