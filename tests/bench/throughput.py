"""How much faster than real time video is decoded, sampled and compressed on one core.

    python -m tests.bench.throughput [--seconds 10] [--rounds 5] [--clip NAME ...] [--size 720p ...]
    python -m tests.bench.throughput --watch CLIP [CLIP ...]

Files of 720p and 1080p at 30 frames a second are made from two real clips beside the project, a
busy film and a talking head (from the sample without them), with a key frame every second and with
the encoder's own choice. The ways of reading them take turns in one process, so many rounds; told
are medians of processor time, and of each round's ratio to plain PyAV decoding with the decoder's
threads the same. Onlooker's ways turn into RGB what is looked at, and compress the features of it,
which are given, not computed. ``--watch`` watches clips whole with the embedded engine. The program
``ffmpeg`` makes the files, and must be there.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import shutil
import statistics
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
KINDS = {"busy": "bigbuckbunny.mp4", "talking head": "nasa_13013.mp4"}
SIZES = {"720p": "1280:720", "1080p": "1920:1080"}


def made(folder: Path, kind: str, size: str, seconds: int, keys: int | None) -> Path:
    """A clip of 30 frames a second, with a key frame every ``keys`` frames."""
    source = CLIPS / KINDS[kind]
    path = folder / f"{kind}-{size}-{keys or 'own'}.mp4"
    call = ["ffmpeg", "-v", "error", "-stream_loop", "-1", "-i"]
    call += [str(source if source.exists() else SAMPLE), "-t", str(seconds), "-r", "30", "-an"]
    call += ["-vf", f"scale={SIZES[size]}", "-c:v", "libx264", "-preset", "veryfast"]
    call += ["-pix_fmt", "yuv420p", *(["-g", str(keys)] if keys else []), str(path)]
    subprocess.run(call, check=True)
    return path


def plain(path: Path, threads: str = "AUTO", rgb: bool = False) -> None:
    """As PyAV decodes; ``threads`` as Onlooker sets them, or NONE."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = threads
        for frame in container.decode(stream):
            if rgb:
                frame.to_ndarray(format="rgb24")


def opencv(path: Path) -> None:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    while capture.read()[0]:
        pass
    capture.release()


def ours(path: Path, rate: float, skim: bool = False) -> list[float]:
    """Decode, sample and compress: of each picture looked at its RGB, and a grid of features as
    vision gives it, put aside as fast and slow tokens every ten seconds; times of the pictures
    given."""
    sampler, compress, given = Sampler(1.0, 2.0), SlowFast(), []
    grid = torch.from_numpy(np.random.default_rng(0).standard_normal((7, 7, 320), np.float32))
    taken: list[float] = []

    def put_aside() -> None:
        features = VisualFeatures(torch.stack([grid] * len(taken)), tuple(taken))
        compress.fast(features, 10.0)
        compress.slow(features, 10.0)
        taken.clear()

    with FileSource(path, rate=rate, longest_side=4096, skim=skim) as source:
        for media in source:
            if isinstance(media, Frame):
                given.append(media.time)
                if sampler.offer(media):
                    assert media.image.shape[2] == 3
                    taken.append(media.time)
                if taken and media.time >= taken[0] + 10:
                    put_aside()
    if taken:
        put_aside()
    return given


WAYS: dict[str, Callable[[Path], object]] = {
    "plain PyAV": plain,
    "plain PyAV, one thread": lambda path: plain(path, "NONE"),
    "plain PyAV, into RGB": lambda path: plain(path, rgb=True),
    "OpenCV VideoCapture": opencv,
    "every frame": lambda path: ours(path, math.inf),
    "4 frames a second": lambda path: ours(path, 4.0),
    "1 frame a second": lambda path: ours(path, 1.0),
    "skimmed": lambda path: ours(path, 1.0, skim=True),
}


def in_turns(path: Path, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Of each way its processor and wall seconds, round by round."""
    spent: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, work in WAYS.items():
            wall, processor = time.perf_counter(), time.process_time()
            work(path)
            spent[way].append((time.process_time() - processor, time.perf_counter() - wall))
    return spent


def ratio(base: list[tuple[float, float]], way: list[tuple[float, float]], kind: int = 0) -> float:
    """How much faster a way is than ``base``: the median over the rounds."""
    return statistics.median(b[kind] / w[kind] for b, w in zip(base, way, strict=True))


def off(times: list[float], seconds: int) -> tuple[float, float]:
    """From each whole second of the clip to the nearest picture given: mean and most seconds."""
    apart = [min(abs(each - second) for each in times) for second in range(seconds)]
    return sum(apart) / len(apart), max(apart)


def compared(kinds: list[str], sizes: list[str], seconds: int, rounds: int) -> list[str]:
    """A table of video seconds a processor second."""
    lines = [
        "| file | way | video s a processor s | of plain | of plain on one thread "
        "| of plain by the clock | frames given | off s (mean, most) |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for kind, size, keys in itertools.product(kinds, sizes, (30, None)):
            path = made(Path(folder), kind, size, seconds, keys)
            spent = in_turns(path, rounds)
            base, alone = spent["plain PyAV"], spent["plain PyAV, one thread"]
            named = (
                f"{kind}, {size}, {'a key frame a second' if keys else 'key frames as they come'}"
            )
            for way, each in spent.items():
                processor = statistics.median(cpu for cpu, _ in each)
                row = f"| {named} | {way} | {seconds / processor:.1f} "
                row += f"| {ratio(base, each):.2f} | {ratio(alone, each):.2f} "
                row += f"| {ratio(base, each, 1):.2f} |"
                times = WAYS[way](path)
                if isinstance(times, list):
                    mean, most = off(times, seconds)
                    row += f" {len(times)} | {mean:.2f}, {most:.2f} |"
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
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clip", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--size", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--watch", type=Path, nargs="+", metavar="CLIP")
    parser.add_argument("--report", type=Path, help="a file that the table is added to")
    wanted = parser.parse_args()
    cv2.setNumThreads(1)
    if not wanted.watch:
        torch.set_num_threads(1)
    if wanted.watch:
        lines = watched(wanted.watch)
    elif shutil.which("ffmpeg") is None:
        parser.error("the files are made by the program ffmpeg, which is not here: install it")
    else:
        lines = compared(wanted.clip, wanted.size, wanted.seconds, wanted.rounds)
    text = "\n".join([*lines, "", f"Load average at the end: {os.getloadavg()[0]:.1f}.", ""])
    print(text)
    if wanted.report is not None:
        with wanted.report.open("a", encoding="utf-8") as report:
            print(text, file=report)


if __name__ == "__main__":
    main()
