"""Hours of a live stream in real time: do memory, handles and threads stay flat?

    python -m tests.bench.endurance [--minutes 120] [--report CSV]
    python -m tests.bench.endurance --summarise CSV [DAY_CSV] > docs/reports/endurance.md

The sample clip, over and over, at 30 frames a second and 640 x 360 with its sound, is served by
a real RTSP server on loopback and watched by a session with the embedded engine into a store on
disk. Every minute a row is appended to the CSV and flushed, so that a run that was cut short
still counts; every ten minutes a question is asked. ``--summarise`` writes the report of such a
file, and of one of ``tests.bench.endurance_memory`` beside it.

Needs ``ffmpeg`` for the clip and ``aio-rtsp-toolkit`` of ``requirements-test.txt``.
"""

from __future__ import annotations

import argparse
import csv
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path

import psutil

from app.home import SAMPLE, home
from memory.memory import Memory
from pipeline.asker import AskError
from pipeline.engine import Choice, load_engine
from pipeline.session import Session
from pipeline.sources import StreamSource

QUESTIONS = (
    ("What does the coffee cost?", ("three", "3")),
    ("What is the cat called?", ("chelsea",)),
    ("What is the secret word?", ("lantern",)),
)
EVERY = 10
"""Minutes between two questions."""

WARM = 30
"""Minutes after which budgets are full and figures are to be flat."""

MB = 1e6


@dataclass(frozen=True, slots=True)
class Minute:
    """One row: minute of the run, figures of the process, of the session, of the machine.

    ``cpu`` is processor seconds that the process took in each second of the minute; ``load``
    the machine's load average. ``lag``, and the seconds ``wordless`` for which speech waited for
    its words, are the greatest of the minute, looked at four times a second. ``first_token`` is in
    seconds, -1 where nothing was asked.
    """

    minute: int
    wall: float
    rss_mb: float
    uss_mb: float
    handles: int
    threads: int
    stream: float
    lag: float
    wordless: float
    read: int
    offered: int
    sampled: int
    dropped: int
    segments: int
    store_mb: float
    context: int
    cpu: float
    load: float
    cores: int
    reconnects: int
    first_token: float = -1.0
    right: int = -1
    error: str = ""


def clip(folder: Path, minutes: float) -> Path:
    """The sample clip at 30 frames a second, repeated for ``minutes``."""
    once, long = folder / "once.mp4", folder / "clip.mp4"
    call = ["ffmpeg", "-v", "error", "-y"]
    picture = ["-r", "30", "-s", "640x360", "-c:v", "libx264", "-preset", "veryfast", "-bf", "0"]
    sound = ["-g", "60", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ar", "44100", "-ac", "1"]
    subprocess.run([*call, "-i", str(SAMPLE), *picture, *sound, str(once)], check=True)
    repeated = ["-stream_loop", str(int(minutes)), "-i", str(once), "-c", "copy", str(long)]
    subprocess.run([*call, *repeated], check=True)
    once.unlink()
    return long


@contextmanager
def served(path: Path) -> Iterator[str]:
    """The RTSP address of ``path``, served as a camera serves: at the clip's own pace."""
    ports = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports.append(free.getsockname()[1])
    command = [
        str(Path(sys.executable).parent / "rtsp-server"),
        *("-d", str(path.parent), "-H", "127.0.0.1", "-p", str(ports[0]), "-cp", str(ports[1])),
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", ports[0]), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"rtsp://127.0.0.1:{ports[0]}/{path.name}?play_count=0"
    finally:
        server.kill()
        server.wait(10)


class Asked(threading.Thread):
    """One question, asked beside the watching. ``first_token`` is -1 until it is answered."""

    def __init__(self, session: Session, number: int) -> None:
        super().__init__(daemon=True)
        self._session = session
        self._question, self._words = QUESTIONS[number % len(QUESTIONS)]
        self.first_token, self.right, self.error = -1.0, -1, ""

    def run(self) -> None:
        try:
            answer = self._session.ask(self._question, history=False)
            text = "".join(answer)
            self.right = int(any(word in text.lower() for word in self._words))
            self.first_token = answer.timings.first_token
        except AskError as error:
            self.error = str(error)


def run(minutes: int, report: Path, folder: Path) -> None:
    """Watch for so many minutes, a row a minute into ``report``."""
    source_clip = clip(folder, minutes + 10)
    store = folder / "endurance.onlooker"
    engine = load_engine(Choice(), home())
    me = psutil.Process()
    with (
        report.open("w", newline="") as file,
        served(source_clip) as address,
        Memory.open(store, engine.embed) as memory,
    ):
        rows = csv.DictWriter(file, [field.name for field in fields(Minute)])
        rows.writeheader()
        source = StreamSource(address)
        with Session(source, engine, memory) as session:
            began, asked = time.monotonic(), None
            before, taken = began, sum(me.cpu_times()[:2])
            for minute in range(1, minutes + 1):
                if minute % EVERY == 0:
                    asked = Asked(session, minute // EVERY)
                    asked.start()
                lag = wordless = 0.0
                while (left := began + 60 * minute - time.monotonic()) > 0:
                    time.sleep(min(left, 0.25))
                    status = session.status
                    lag, wordless = max(lag, status.lag), max(wordless, status.wordless)
                now, spent = time.monotonic(), sum(me.cpu_times()[:2])
                rows.writerow(
                    asdict(
                        measured(
                            me,
                            session,
                            source,
                            store,
                            minute,
                            now - began,
                            (spent - taken) / (now - before),
                            (lag, wordless),
                            asked,
                        )
                    )
                )
                file.flush()
                before, taken = now, spent
                if asked is not None and not asked.is_alive():
                    asked = None
                if not session.status.watching:
                    print(f"watching ended: {session.status.error}", file=sys.stderr)
                    break


def measured(
    me: psutil.Process,
    session: Session,
    source: StreamSource,
    store: Path,
    minute: int,
    wall: float,
    cpu: float,
    late: tuple[float, float],
    asked: Asked | None,
) -> Minute:
    memory, status = me.memory_full_info(), session.status
    done = asked is not None and not asked.is_alive()
    return Minute(
        minute=minute,
        wall=round(wall, 1),
        rss_mb=round(memory.rss / MB, 1),
        uss_mb=round(memory.uss / MB, 1),
        handles=me.num_fds() if hasattr(me, "num_fds") else me.num_handles(),
        threads=me.num_threads(),
        stream=round(status.time, 1),
        lag=round(late[0], 2),
        wordless=round(late[1], 2),
        read=status.read,
        offered=status.offered,
        sampled=status.sampled,
        dropped=status.dropped,
        segments=status.segments,
        store_mb=round(sum(p.stat().st_size for p in store.parent.glob(store.name + "*")) / MB, 2),
        context=status.context,
        cpu=round(cpu, 3),
        load=round(os.getloadavg()[0], 2),
        cores=os.cpu_count() or 1,
        reconnects=source.reconnects,
        first_token=round(asked.first_token, 3) if asked is not None and done else -1.0,
        right=asked.right if asked is not None and done else -1,
        error=(status.error or (asked.error if asked is not None and done else "")),
    )


def read(path: Path) -> list[Minute]:
    """The rows of a run."""
    kinds = {
        field.name: {"int": int, "float": float}.get(str(field.type), str)
        for field in fields(Minute)
    }
    with path.open(newline="") as file:
        return [Minute(**{k: kinds[k](v) for k, v in row.items()}) for row in csv.DictReader(file)]


def growth(rows: Sequence[Minute], name: str) -> float:
    """Of a figure: how much it grows in an hour, by the line that fits its minutes best."""
    if len(rows) < 3:
        return 0.0
    line = statistics.linear_regression(
        [row.minute / 60 for row in rows], [float(getattr(row, name)) for row in rows]
    )
    return line.slope


def dropped_by_thirds(rows: Sequence[Minute]) -> str:
    """How many were dropped in each third of the run."""
    marks = [0, *(rows[len(rows) * third // 3 - 1].dropped for third in (1, 2, 3))]
    parts = [str(after - before) for before, after in pairwise(marks)]
    return f"{', '.join(parts)} in the thirds of the run"


def summary(rows: Sequence[Minute], day: Sequence[dict[str, str]]) -> str:
    """The report, in Markdown."""
    last = rows[-1]
    flat = [row for row in rows if row.minute > WARM] or list(rows)
    lines = [
        "# Endurance",
        "",
        "## Real time",
        "",
        f"{last.minute} minutes of a live RTSP stream (loopback, tcp, 640 x 360 at 30 frames a "
        "second, with sound: the sample clip over and over), watched by the embedded engine into "
        f"a store on disk. {last.cores} cores, shared with other work: load average "
        f"{statistics.mean(row.load for row in rows):.1f} on average, "
        f"{max(row.load for row in rows):.1f} at most. So lag and drops are those of a loaded "
        "machine; memory, handles and threads do not depend on it.",
        "",
        "| minute | resident MB | own MB | handles | threads | lag s | read | dropped | sampled | "
        "segments | store MB | context | cores used |",
        "| ---: " * 13 + "|",
    ]
    lines += [
        f"| {r.minute} | {r.rss_mb:.0f} | {r.uss_mb:.0f} | {r.handles} | {r.threads} | "
        f"{r.lag:.1f} | {r.read} | {r.dropped} | {r.sampled} | {r.segments} | {r.store_mb:.1f} | "
        f"{r.context} | {r.cpu:.2f} |"
        for r in rows
        if r.minute % 10 == 0 or r in (rows[0], last)
    ]
    lines += [
        "",
        f"Growth in an hour, by the line that fits minutes {flat[0].minute} to "
        f"{flat[-1].minute} best:",
        "",
        "| figure | first | last | growth in an hour | of the last |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, title in (
        ("rss_mb", "resident MB"),
        ("uss_mb", "own MB (shared with no other process)"),
        ("handles", "open handles"),
        ("threads", "threads"),
        ("store_mb", "store on disk MB"),
    ):
        lines.append(
            f"| {title} | {getattr(flat[0], name):g} | {getattr(flat[-1], name):g} | "
            f"{growth(flat, name):+.2f} | "
            f"{100 * growth(flat, name) / max(1e-9, getattr(flat[-1], name)):+.1f} % |"
        )
    lags = sorted(row.lag for row in rows)
    tokens = [row for row in rows if row.first_token >= 0]
    lines += [
        "",
        f"- Greatest lag of each minute: median {statistics.median(lags):.2f} s, worst "
        f"{lags[-1]:.2f} s; speech waited for its words for at most "
        f"{statistics.median(row.wordless for row in rows):.2f} s (median) and "
        f"{max(row.wordless for row in rows):.2f} s (worst).",
        f"- Dropped: {last.dropped} of {last.read} items read "
        f"({100 * last.dropped / max(1, last.read):.1f} %), "
        f"{dropped_by_thirds(rows)}; {last.sampled} of {last.offered} frames "
        "offered were looked at.",
        f"- Stream time {last.stream:.0f} s after {last.wall:.0f} s; reconnects: "
        f"{last.reconnects}; errors: {', '.join({r.error for r in rows if r.error}) or 'none'}.",
    ]
    if tokens:
        lines.append(
            f"- Questions: {len(tokens)} asked, {sum(r.right == 1 for r in tokens)} answered "
            "rightly; first token after "
            + ", ".join(f"{r.first_token:.2f}" for r in tokens)
            + " s, in the order asked."
        )
    if day:
        lines += ["", *of_the_day(day)]
    lines += [
        "",
        "## Again",
        "",
        "```",
        "python -m tests.bench.endurance --minutes 120 --report hours.csv",
        "python -m tests.bench.endurance_memory 24 30 --report day.csv",
        "python -m tests.bench.endurance --summarise hours.csv day.csv > docs/reports/endurance.md",
        "```",
    ]
    return "\n".join(lines)


def of_the_day(rows: Sequence[dict[str, str]]) -> list[str]:
    """The part of the report on a simulated day."""
    columns = list(rows[0])
    return [
        "## A simulated day",
        "",
        f"{rows[-1]['hour']} hours of segments, notes, questions and consolidation through the "
        "real memory on a fast clock (`tests/bench/endurance_memory.py`):",
        "",
        "| " + " | ".join(columns) + " |",
        "| ---: " * len(columns) + "|",
        *("| " + " | ".join(row.values()) + " |" for row in rows if _shown(row["hour"])),
    ]


def _shown(hour: str) -> bool:
    return float(hour) in (1, 2) or float(hour) % 4 == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=120)
    parser.add_argument("--report", type=Path, default=Path("endurance.csv"))
    parser.add_argument("--summarise", type=Path, nargs="+", metavar="CSV")
    wanted = parser.parse_args()
    if wanted.summarise:
        hours, *days = wanted.summarise
        day = [row for path in days for row in csv.DictReader(path.open(newline=""))]
        print(summary(read(hours), day))
        return
    with tempfile.TemporaryDirectory() as folder:
        run(wanted.minutes, wanted.report, Path(folder))


if __name__ == "__main__":
    main()
