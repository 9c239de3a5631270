"""Damaged files, each made again from its number alone: what the fuzz run and its tests feed in.

A *base* is a small sound file of a kind; a *mutation* damages its bytes (or, of JSON, its
values) by a generator seeded with the case's kind and number. Bases are made by the libraries
of ``requirements.txt`` on one thread, so that a number means the same bytes wherever those are.
"""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from memory.memory import Memory
from memory.segment import Gap, Look, Note, ScreenText, SeenObject, Segment, Turn, Utterance

CLIPS = {
    "h264.mp4": ("h264", "aac"),
    "mpeg4.mov": ("mpeg4", "aac"),
    "h264.mkv": ("h264", "aac"),
    "vp8.webm": ("libvpx", "libopus"),
    "mpeg4.avi": ("mpeg4", "libmp3lame"),
    "mpeg2.ts": ("mpeg2video", "mp2"),
    "h264.ts": ("h264", "aac"),
    "sound.wav": (None, "pcm_s16le"),
    "sound.flac": (None, "flac"),
    "picture.gif": ("gif", None),
}
"""Base clips by name, with their video and audio encoders."""


def make_clip(path: Path, video: str | None, audio: str | None) -> bytes:
    """1.2 s at 160 x 90 and 10 frames a second: a moving square, a tone with pauses."""
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        pictures = sound = None
        if video is not None:
            pictures = container.add_stream(video, rate=10)
            pictures.width, pictures.height = 160, 90
            pictures.pix_fmt = "rgb8" if video == "gif" else "yuv420p"
            pictures.thread_count = 1
            pictures.gop_size = 5
        if audio is not None:
            rate = 48000 if audio == "libopus" else 44100
            sound = container.add_stream(audio, rate=rate, layout="mono")
            sound.thread_count = 1
        for i in range(12) if pictures is not None else ():
            picture = np.full((90, 160, 3), 40, np.uint8)
            picture[20:60, 10 * i : 10 * i + 40] = (200, 20 * i, 60)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 10)
            container.mux(pictures.encode(frame))
        if sound is not None:
            wave = np.sin(2 * np.pi * 300 * np.arange(int(1.2 * rate)) / rate)
            wave[rate // 2 : rate * 3 // 4] = 0
            tone = av.AudioFrame.from_ndarray(
                (wave * 12000).astype(np.int16)[None], format="s16", layout="mono"
            )
            tone.sample_rate, tone.pts, tone.time_base = rate, 0, Fraction(1, rate)
            resampler = av.AudioResampler(
                sound.format, "mono", rate, frame_size=sound.codec_context.frame_size or 1024
            )
            for frame in (*resampler.resample(tone), *resampler.resample(None)):
                container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
        if pictures is not None:
            container.mux(pictures.encode(None))
    return path.read_bytes()


TAGS = (
    (b"avc1", b"mp4a", b"mp4v", b"hvc1", b"vp09", b"jpeg", b"tx3g", b"raw "),
    (b"vide", b"soun", b"text", b"meta"),
    (b"moov", b"mdat", b"trak", b"free", b"stbl", b"minf", b"stsd", b"stts", b"ctts", b"stsz"),
    (b"00dc", b"01wb", b"01dc", b"00wb", b"idx1", b"movi"),
    (b"vids", b"auds", b"txts"),
    (b"FMP4", b"MJPG", b"H264", b"DIVX", b"\0\0\0\0"),
    (b"fmt ", b"data", b"LIST", b"RIFF"),
    (b"V_VP8", b"A_AAC", b"A_PCM", b"V_AV1"),
)
"""Marks of equal length that one may stand for another: streams that are not what they say."""

NUMBERS = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def flipped(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    for _ in range(rng.choice((1, 4, 16, 64, 256))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def truncated(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    del data[rng.randrange(len(data)) :]


def header_damaged(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    reach = min(len(data), rng.choice((16, 64, 512, 2048)))
    end = rng.random() < 0.3  # an mp4's index stands at its end
    for _ in range(rng.choice((1, 2, 8, 32))):
        at = rng.randrange(reach)
        data[len(data) - 1 - at if end else at] = rng.randrange(256)


def renumbered(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """Sizes, counts, rates and times that are zero, negative or enormous."""
    for _ in range(rng.choice((1, 1, 2, 6))):
        size = rng.choice((1, 2, 4, 4, 8))
        reach = len(data) if rng.random() < 0.5 else min(len(data), 2048)
        at = rng.randrange(max(1, reach - size))
        number = rng.choice(NUMBERS) % (1 << 8 * size)
        data[at : at + size] = number.to_bytes(size, rng.choice(("big", "little")))


def retagged(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """Streams swapped, or called what they are not."""
    there = [(tag, group) for group in TAGS for tag in group if tag in data]
    if not there:
        return flipped(data, rng, others)
    for _ in range(rng.choice((1, 2, 3))):
        tag, group = rng.choice(there)
        other = rng.choice(group)
        if rng.random() < 0.5:  # both ways
            swapped = data.replace(tag, b"\1" * len(tag)).replace(other, tag)
            data[:] = swapped.replace(b"\1" * len(tag), other)
        else:
            data[:] = data.replace(tag, other)
    return None


def spliced(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """The beginning of one file, the end of another."""
    other = rng.choice(others)
    data[rng.randrange(len(data)) :] = other[rng.randrange(len(other)) :]


def interleaved(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """Blocks lost, twice there, exchanged, or of another file, as a bad copy leaves them."""
    block = rng.choice((16, 188, 512, 4096))
    blocks = [bytes(data[i : i + block]) for i in range(0, len(data), block)]
    for _ in range(rng.choice((1, 2, 5))):
        at, to = rng.randrange(len(blocks)), rng.randrange(len(blocks))
        match rng.randrange(5):
            case 0:
                blocks[at] = b""
            case 1:
                blocks.insert(to, blocks[at])
            case 2:
                blocks[at], blocks[to] = blocks[to], blocks[at]
            case 3:
                other = rng.choice(others)
                start = rng.randrange(len(other))
                blocks[at] = other[start : start + block]
            case _:
                blocks[at] = rng.choice((b"\0", b"\xff")) * len(blocks[at])
    data[:] = b"".join(blocks)


def overwritten(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """A run of noise."""
    at = rng.randrange(len(data))
    length = min(len(data) - at, rng.choice((1, 10, 100, 1000, 10_000)))
    data[at : at + length] = rng.randbytes(length)


BYTES: tuple[Callable[[bytearray, random.Random, list[bytes]], None], ...] = (
    flipped,
    truncated,
    header_damaged,
    renumbered,
    renumbered,
    retagged,
    spliced,
    interleaved,
    overwritten,
)


def damaged(base: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """``base`` after one mutation, seldom two or three."""
    data = bytearray(base)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if data:
            rng.choice(BYTES)(data, rng, others)
    return bytes(data)


# Text and JSON

CELLS = (
    *("", "nan", "inf", "-inf", "1e308", "-1e308", "1e-320", "0", "-1", "9" * 30, "0x10", "1,5"),
    *('"', '""', "a,b", "\t", "\0", "\ufeff", "é", "\U0001f600", "TRUE", "None", "[1]", " "),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1e308, float("nan"), float("inf"), 10**40, "", "\0", "A", " " * 9),
    *("nan", "00:00:99:99", "-5", [], {}, [[]], [None], {"": None}, ["a"] * 40, "x" * 100_000),
)


def retabled(text: str, rng: random.Random) -> str:
    """A table with cells, lines and columns wrong."""
    lines = text.splitlines(keepends=True)
    for _ in range(rng.choice((1, 2, 5, 20))):
        at = rng.randrange(len(lines))
        mark = "\t" if "\t" in lines[at] else ","
        cells = lines[at].split(mark)
        place = rng.randrange(len(cells))
        match rng.randrange(7):
            case 0:
                lines[at] = "\n" if len(lines) > 1 else ""
            case 1:
                lines.insert(rng.randrange(len(lines)), lines[at])
            case 2:
                other = rng.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                del cells[place]
                lines[at] = mark.join(cells)
            case 4:
                cells.insert(place, rng.choice(CELLS))
                lines[at] = mark.join(cells)
            case _:
                cells[place] = rng.choice(CELLS)
                lines[at] = mark.join(cells)
    return "".join(lines)


def revalued(value: Any, rng: random.Random) -> Any:
    """JSON with a value of the wrong kind, a key gone, an entry twice."""
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, child in items:
            places.append((node, key))
            if isinstance(child, dict | list):
                walk(child)

    if rng.random() < 0.02:
        return rng.choice(VALUES)
    walk(value)
    for _ in range(rng.choice((1, 2, 5))):
        node, key = rng.choice(places)
        try:
            match rng.randrange(4):
                case 0:
                    del node[key]
                case 1 if isinstance(node, list):
                    node.append(node[key])
                case _:
                    node[key] = rng.choice(VALUES)
        except (IndexError, KeyError):
            continue  # gone with an earlier one
    return value


def damaged_text(base: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """A table or JSON, damaged as text four times in five, else as bytes."""
    if rng.random() < 0.2:
        return damaged(base, rng, others)
    if base[:1] in b"{[":
        return json.dumps(revalued(json.loads(base), rng)).encode()
    text = retabled(base.decode(), rng).encode()
    return text if rng.random() < 0.9 else text.decode().encode(rng.choice(("utf-16", "utf-8-sig")))


# Bases of the other kinds


def gaze_bases() -> dict[str, bytes]:
    """A small file of each format that gaze is read from."""
    rng = random.Random(1)
    rows = [(i / 50, 0.5 + 0.3 * rng.random(), 0.4 + 0.3 * rng.random()) for i in range(40)]

    def table(header: str, row: Callable[[float, float, float], str], mark: str = "") -> bytes:
        return (mark + header + "\n" + "\n".join(row(*r) for r in rows) + "\n").encode()

    array = np.array([(x, y, 1.0) for _, x, y in rows])
    npy = b"\x93NUMPY\x01\x00\x76\x00"
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {array.shape}, }}"
    npy += header.ljust(117).encode() + b"\n" + array.tobytes()
    begaze = "## [BeGaze]\n## Number of Samples:\t40\n## Calibration Area:\t1280\t960\n"
    return {
        "plain.csv": table("t,x,y,confidence", lambda t, x, y: f"{t:.3f},{x:.4f},{y:.4f},0.9"),
        "pixels.tsv": table(
            "t [ms]\tx [px]\ty [px]", lambda t, x, y: f"{t * 1e3:.0f}\t{x * 640:.1f}\t{y * 360:.1f}"
        ),
        "cloud.csv": table(
            "section id,recording id,timestamp [ns],gaze x [px],gaze y [px],worn,fixation id",
            lambda t, x, y: (
                f"a,b,{1_700_000_000_000_000_000 + round(t * 1e9)},"
                f"{x * 1600:.1f},{y * 1200:.1f},1,1"
            ),
        ),
        "core.csv": table(
            "gaze_timestamp,world_index,confidence,norm_pos_x,norm_pos_y",
            lambda t, x, y: f"{100 + t},0,0.9,{x},{y}",
        ),
        "tobii.tsv": table(
            "Recording timestamp [ms]\tSensor\tGaze point X [MCS px]\tGaze point Y [MCS px]\t"
            "Validity left\tValidity right\tRecording resolution width\t"
            "Recording resolution height",
            lambda t, x, y: (
                f"{t * 1e3:.0f}\tEye Tracker\t{x * 1920:.0f}\t{y * 1080:.0f}\t"
                "Valid\tValid\t1920\t1080"
            ),
        ),
        "ego4d.csv": table(
            "component_idx,canonical_timestamp_s,norm_pos_x,norm_pos_y,confidence",
            lambda t, x, y: f"0,{t},{x},{y},0.7",
        ),
        "holo.csv": table(
            "frame_idx,timestamp_sec,u,v,valid",
            lambda t, x, y: f"{round(t * 30)},{t},{x * 896},{y * 504},1",
        ),
        "streamgaze.csv": table(
            "fixation_id,start_time_seconds,end_time_seconds,center_x,center_y",
            lambda t, x, y: f"{round(t * 50)},{10 * t},{10 * t + 0.15},{x},{y}",
        ),
        "egtea.txt": table(
            "Time\tType\tTrial\tL POR X [px]\tL POR Y [px]\tFrame\tL Event Info",
            lambda t, x, y: (
                f"{(5 + t) * 1e6:.0f}\tSMP\t1\t{x * 1280:.1f}\t{y * 960:.1f}\t"
                f"{int(24 * t)}\tFixation"
            ),
            begaze,
        ),
        "exo.npy": npy,
        "gaze ps1.raw": array[:, :2].astype("<f4").tobytes(),
    }


def question_bases() -> dict[str, bytes]:
    """A small question file of each benchmark, and of the plain kind."""
    plain = {
        "format": "onlooker-questions",
        "questions": [
            {
                "video": "sample.mp4",
                "time": 12.5,
                "task": "Object Recognition",
                "question": "Which animal is shown?",
                "options": ["a cat", "a dog"],
                "answer": "A",
                "clue": 8.0,
                "group": "real-time visual",
                "window": 60,
            },
            {
                "video": "sample.mp4",
                "time": "00:15",
                "task": "Proactive Output",
                "kind": "proactive",
                "question": 'When the cup appears, say "coffee".',
                "due": 16,
                "answer": "coffee",
                "follows": ["0"],
            },
        ],
    }
    streaming = [
        {
            "video_path": "sample_1.mp4",
            "questions": [
                {
                    "task_type": "Object Perception",
                    "question": "What is it?",
                    "time_stamp": "00:03:10",
                    "answer": "B",
                    "options": ["A. cat", "B. dog", "C. cow", "D. hen"],
                }
            ],
        }
    ]
    ovo = [
        {
            "id": 0,
            "task": "EPM",
            "video": "a.mp4",
            "realtime": 12.5,
            "question": "Where is it?",
            "options": ["in", "out", "up"],
            "gt": 1,
        },
        {
            "id": 1,
            "task": "REC",
            "video": "b.mp4",
            "activity": "cut",
            "question": "How many times did he cut?",
            "test_info": [{"realtime": 4, "count": 1}, {"realtime": 9, "count": 2}],
        },
        {
            "id": 2,
            "task": "SSR",
            "video": "c.mp4",
            "tutorial": "tea",
            "test_info": [{"realtime": 4, "step": "boil", "type": 0}],
        },
    ]
    gaze = [
        {
            "video_path": "OP01.mp4",
            "questions": [
                {
                    "task_type": "past_scene_recall",
                    "question": "Which was there?",
                    "time_stamp": "00:00:30",
                    "answer": "A",
                    "options": ["A. cup", "B. pan", "C. lid", "D. jar"],
                }
            ],
        }
    ]
    rng = random.Random(4)
    calibration = {
        "error": 0.05,
        "features": [[rng.random() for _ in range(6)] for _ in range(9)],
        "targets": [[x / 3, y / 3] for x in range(3) for y in range(3)],
    }
    return {
        "plain.json": json.dumps(plain).encode(),
        "streaming.json": json.dumps(streaming).encode(),
        "ovo.json": json.dumps(ovo).encode(),
        "past_scene_recall.json": json.dumps(gaze).encode(),
        "fixations.csv": gaze_bases()["streamgaze.csv"],
        "prompts.json": b'{"choice": "{question}\\n{options}", "yes_no": "{question}"}',
        "calibration.json": json.dumps(calibration).encode(),
    }


def session_base(path: Path) -> bytes:
    """A session of two minutes: every kind of observation, notes, a turn, an episode."""
    rng = random.Random(2)
    with Memory.open(path, hashed) as memory:
        for index in range(24):
            start = 5.0 * index
            memory.append(
                Segment(
                    index,
                    start,
                    start + 5,
                    (
                        Look(start, 0.1, 0.5, ("grey", "blue")),
                        SeenObject(start + 1, f"label {index % 5}", 0.7),
                        Utterance(start + 1, start + 4, f"we speak of thing {index}"),
                        ScreenText(start + 4, f"SIGN {index}", (0.0, 0.0, 0.5, 0.1), 0.9),
                        *([Gap(start + 4, start + 5, "it ended")] if index == 7 else []),
                    ),
                    "length",
                    rng.randbytes(300),
                    np.zeros((1, 2, 2, 4), np.float16),
                    (start + 1,),
                )
            )
            memory.write_note(index, Note(start, start + 5, f"note {index}", start + 6))
        memory.remember(Turn(60.0, "Who spoke?", "Somebody.", segments=(3,)))
        memory.consolidate(120.0, 10**9)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE about SET value = '0.0' WHERE key = 'created'")
    return path.read_bytes()


def hashed(texts: Any) -> np.ndarray[Any, Any]:
    """Unit vectors that are the same for the same text, also in another process."""
    seeds = [sum(ord(c) * 31**i for i, c in enumerate(text)) % 2**32 for text in texts]
    vectors = [np.random.default_rng(seed).standard_normal(16) for seed in seeds]
    return np.array([v / np.linalg.norm(v) for v in vectors], np.float32).reshape(-1, 16)


class Bases:
    """The sound files that are mutated, made in ``folder`` when first wanted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, dict[str, bytes]] = {}

    def of(self, kind: str) -> dict[str, bytes]:
        """Bases of ``"clip"``, ``"gaze"``, ``"question"`` or ``"session"``, by name."""
        if kind not in self._made:
            self._made[kind] = self._make(kind)
        return self._made[kind]

    def case(self, kind: str, number: int) -> tuple[str, bytes]:
        """The name and the bytes of a case."""
        rng = random.Random(f"{kind} {number}")
        bases = self.of(kind)
        name = list(bases)[number % len(bases)]
        text = kind in {"gaze", "question"} and not name.endswith((".npy", ".raw"))
        how = damaged_text if text else damaged
        return name, how(bases[name], rng, list(bases.values()))

    def _make(self, kind: str) -> dict[str, bytes]:
        if kind == "clip":
            return {
                name: make_clip(self._folder / f"base-{name}", *codecs)
                for name, codecs in CLIPS.items()
            }
        if kind == "gaze":
            return gaze_bases()
        if kind == "question":
            return question_bases()
        return {"session.onlooker": session_base(self._folder / "base.onlooker")}
