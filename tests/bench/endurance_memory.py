"""A stream of 24 hours through the real memory, on a fast clock.

    python -m tests.bench.endurance_memory [HOURS] [BUDGET_MB]

Each segment lasts ten seconds and holds a sentence, looks, labels (mostly unsure), sometimes
words on screen, a thumbnail and, at first, features; a note follows each, and now and then a
question. Consolidation runs after every minute of the stream. Sentences are of some 50,000
different words; embeddings are those of hashed words (the real embedder is no part of what
is measured). At the end, what was said at minute 3 is asked for.
"""

from __future__ import annotations

import gc
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
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
    """What was measured: MB by hour (resident, anonymous, on disk), questions answered of
    those asked, segments that are still on the timeline, seconds it took."""

    hours: list[tuple[float, float, float]]
    right: int
    asked: int
    segments: int
    taken: float


def live(path: Path, hours: float, budget: int, report: bool = False) -> Lived:
    rng = random.Random(3)
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
                measured.append((*resident(), memory.statistics().bytes / 1e6))
                if report:
                    total, own, disk = measured[-1]
                    print(
                        f"hour {now / 3600:4.0f}: {total:6.1f} MB resident, {own:6.1f} MB of it "
                        f"its own, {disk:6.1f} MB on disk, {len(memory._index)} lines",
                        flush=True,
                    )
        while memory.consolidate(now, budget).more:
            pass
        right = 0
        for at, _, question in FACTS:
            found = memory.recall(question, now)
            right += any(r.segment.start == at for r in found)
        count = sum(node.segments for node in memory.timeline(levels=(0,)))
    return Lived(measured, right, len(FACTS), count, time.monotonic() - began)


def main() -> None:
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 24.0
    budget = int(float(sys.argv[2]) * 1e6) if len(sys.argv) > 2 else 30_000_000
    with tempfile.TemporaryDirectory() as folder:
        lived = live(Path(folder) / "day.onlooker", hours, budget, report=True)
    first, last = lived.hours[0], lived.hours[-1]
    total, own = (100 * (last[place] / first[place] - 1) for place in (0, 1))
    print(
        f"resident {total:+.1f} %, its own {own:+.1f} % against hour 1; {last[2]:.1f} MB on disk; "
        f"{lived.right} of {lived.asked} facts of minute 3 recalled; {lived.segments} segments on "
        f"the timeline; {lived.taken:.0f} s"
    )


if __name__ == "__main__":
    main()
