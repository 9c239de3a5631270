"""A stream of 24 hours through the real memory, on a fast clock.

    python -m tests.bench.endurance_memory [HOURS] [BUDGET_MB] [--report CSV]

Each segment lasts ten seconds and holds a sentence, looks, labels (mostly unsure), sometimes
words on screen, a thumbnail and, at first, features; a note follows each, and now and then a
question. Consolidation runs after every minute of the stream. Sentences are of some 50,000
different words; embeddings are those of hashed words (the real embedder is no part of what
is measured). At the end, what was said at minute 3 is asked for.
"""

from __future__ import annotations

import argparse
import csv
import gc
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from memory.memory import Memory
from memory.segment import Look, Note, ScreenText, SeenObject, Segment, Turn, Utterance

SECONDS = 10.0
DIMENSION = 384
FACTS = (
    (170.0, "the spare key lies under the blue flowerpot", "Where does the spare key lie?"),
    (180.0, "the number of the safe is nine four", "What is the number of the safe?"),
    (190.0, "aunt Wilhelmina arrives from Rotterdam", "From where does aunt Wilhelmina arrive?"),
)  # fmt: skip


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    vectors = np.zeros((len(texts), DIMENSION), dtype=np.float32)
    for row, text in zip(vectors, texts, strict=True):
        for word in text.lower().strip("?.").split():
            seed = sum(ord(letter) * 31**place for place, letter in enumerate(word)) % 2**32
            row += np.random.default_rng(seed).standard_normal(DIMENSION, dtype=np.float32)
        row /= max(float(np.linalg.norm(row)), 1e-6)
    return vectors


def resident() -> tuple[float, float]:
    """MB of the process that are in memory, and those among them that no file stands behind.

    Taken between questions: one looks at all lines of the index, which are given back with the
    next segment.
    """
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return tuple(int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon"))  # type: ignore[return-value]


def part(index: int, rng: random.Random, features: bool) -> Segment:
    start = SECONDS * index
    said = " ".join(f"word{min(int(rng.paretovariate(0.6)), 50_000)}" for _ in range(12))
    for at, fact, _ in FACTS:
        if at == start:
            said = fact
    observations = [
        *(Look(start + n, rng.random(), 0.5, ("grey", "blue")) for n in range(0, 10, 2)),
        *(SeenObject(start + n, f"label{rng.randrange(300)}", rng.random()) for n in range(4)),
        Utterance(start + 1, start + 7, said),
    ]
    if rng.random() < 0.3:
        text = f"SIGN {rng.randrange(5000)}"
        observations += [ScreenText(start + n, text, (0.0, 0.0, 0.5, 0.1), 0.9) for n in (2, 4)]
    return Segment(
        index,
        start,
        start + SECONDS,
        tuple(sorted(observations, key=lambda o: (o.known_at, o.time))),
        "length",
        rng.randbytes(8000),
        np.zeros((4, 4, 4, 64), dtype=np.float16) if features else None,
        tuple(start + n for n in range(4)) if features else (),
    )


@dataclass(frozen=True, slots=True)
class Lived:
    """What was measured: by hour, MB (resident, anonymous, on disk), open handles and threads;
    questions answered of those asked, segments that are still on the timeline, seconds it
    took."""

    hours: list[tuple[float, float, float, int, int]]
    right: int
    asked: int
    segments: int
    taken: float


def live(path: Path, hours: float, budget: int, report: Path | None = None) -> Lived:
    rng = random.Random(3)
    me = psutil.Process()
    measured = []
    began = time.monotonic()
    with Memory.open(path, embed) as memory:
        for index in range(int(hours * 3600 / SECONDS)):
            now = SECONDS * (index + 1)
            memory.append(part(index, rng, features=True))
            note = Note(now - SECONDS, now, f"somebody speaks of word{rng.randrange(99)}", now + 1)
            memory.write_note(index, note)
            if now % 60 == 0:
                memory.consolidate(now, budget)
            if now % 600 == 300:
                found = memory.recall(f"Who spoke of word{rng.randrange(99)}?", now)
                answer = Turn(now, "Who spoke?", "Somebody.", segments=(found[0].segment.index,))
                memory.remember(answer)
            if now % 3600 == 0:
                gc.collect()
                disk, handles = memory.statistics().bytes / 1e6, me.num_fds()
                measured.append((*resident(), disk, handles, me.num_threads()))
                tell(now / 3600, measured[-1], len(memory._index), report)
        while memory.consolidate(now, budget).more:
            pass
        right = 0
        for at, _, question in FACTS:
            found = memory.recall(question, now)
            right += any(r.segment.start == at for r in found)
        count = sum(node.segments for node in memory.timeline(levels=(0,)))
    return Lived(measured, right, len(FACTS), count, time.monotonic() - began)


def tell(
    hour: float, figures: tuple[float, float, float, int, int], lines: int, report: Path | None
) -> None:
    """Print an hour's figures, and add them to ``report``."""
    names = ("resident MB", "own MB", "on disk MB", "handles", "threads", "lines")
    row = [f"{hour:.0f}", *(f"{n:.1f}" for n in figures[:3]), *map(str, figures[3:]), str(lines)]
    print("hour", row[0], *(f"| {v} {n}" for v, n in zip(row[1:], names, strict=True)), flush=True)
    if report is not None:
        fresh = not report.exists()
        with report.open("a", newline="") as file:
            csv.writer(file).writerows([("hour", *names), row] if fresh else [row])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("hours", type=float, nargs="?", default=24.0)
    parser.add_argument("budget", type=float, nargs="?", default=30.0, help="MB")
    parser.add_argument("--report", type=Path, help="a CSV file for the figures of each hour")
    wanted = parser.parse_args()
    if wanted.report is not None:
        wanted.report.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "day.onlooker"
        lived = live(path, wanted.hours, int(wanted.budget * 1e6), wanted.report)
    first, last = lived.hours[0], lived.hours[-1]
    total, own = (100 * (last[place] / first[place] - 1) for place in (0, 1))
    print(
        f"resident {total:+.1f} %, its own {own:+.1f} % against hour 1; {last[2]:.1f} MB on disk; "
        f"{lived.right} of {lived.asked} facts of minute 3 recalled; {lived.segments} segments on "
        f"the timeline; {lived.taken:.0f} s"
    )


if __name__ == "__main__":
    main()
