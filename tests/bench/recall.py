"""How long recall takes, and what it holds in memory, as a session grows.

    python -m tests.bench.recall 10000 100000 1000000

Each segment holds one spoken sentence of invented words, with a random unit vector of 384
dimensions (MiniLM's size). The session is written by one bulk insert instead of a commit a
segment, which the store is not being measured for here. Embedding the question is not in
the figures: it costs the same at any size. Where others use the machine, processor time
says more than the clock.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memory.memory import Memory
from memory.store import Store

DIMENSION = 384
QUESTIONS = 60
SECONDS = 5.0


def sentence(rng: np.random.Generator) -> str:
    """Ten words with the frequencies of speech (Zipf's law)."""
    return " ".join(f"word{n}" for n in np.minimum(rng.zipf(1.2, 10), 50_000))


def unit(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    vectors = rng.standard_normal((count, DIMENSION), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write(path: Path, count: int) -> None:
    rng = np.random.default_rng(1)
    store = Store(path)
    with store.writing("fill the session") as connection:
        for first in range(0, count, 10_000):
            size = min(10_000, count - first)
            vectors = unit(rng, size).astype(np.float16)
            texts = [sentence(rng) for _ in range(size)]
            numbers = range(first, first + size)
            connection.executemany(
                "INSERT INTO segments VALUES (?, ?, ?, 'pause', '', 0)",
                [(n, SECONDS * n, SECONDS * (n + 1)) for n in numbers],
            )
            connection.executemany(
                "INSERT INTO observations VALUES (?, ?, 'utterance', ?, ?, ?, ?, 1.0, NULL)",
                [
                    (n + 1, n, SECONDS * n, SECONDS * n + 4, text,
                     f'{{"start":{SECONDS * n},"end":{SECONDS * n + 4},"text":"{text}"}}')
                    for n, text in zip(numbers, texts, strict=True)
                ],
            )  # fmt: skip
            connection.executemany(
                "INSERT INTO words(rowid, text) VALUES (?, ?)",
                [(n + 1, text) for n, text in zip(numbers, texts, strict=True)],
            )
            connection.executemany(
                "INSERT INTO vectors VALUES (?, ?)",
                [(n + 1, row.tobytes()) for n, row in zip(numbers, vectors, strict=True)],
            )
    store.close()


def measure(count: int) -> None:
    rng = np.random.default_rng(2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "session.onlooker"
        write(path, count)
        fresh = iter(unit(rng, QUESTIONS + 1))

        def embed(texts: Sequence[str]) -> NDArray[np.float32]:
            return np.stack([next(fresh) for _ in texts])

        before = time.perf_counter()
        with Memory.open(path, embed) as memory:
            opened = time.perf_counter() - before
            taken, own = [], []
            for _ in range(QUESTIONS):
                question = "What about " + sentence(rng) + "?"
                before, worked = time.perf_counter(), time.process_time()
                memory.recall(question, SECONDS * count)
                taken.append(1000 * (time.perf_counter() - before))
                own.append(1000 * (time.process_time() - worked))
            size = memory.statistics().bytes / 1e6
    middle, high = np.percentile(taken, [50, 95])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{count:>9,} segments: recall {middle:6.1f} ms (median) {high:6.1f} ms (95 %), "
        f"{np.median(own):5.1f} ms of it processor time, "
        f"opened in {opened:5.1f} s, {size:7.1f} MB on disk, {peak:6.0f} MB peak memory",
        flush=True,
    )


if __name__ == "__main__":
    for argument in sys.argv[1:] or ["10000", "100000", "1000000"]:
        measure(int(argument))
