"""Memory against the length of the stream: of a fork, and of the whole process.

    python -m tests.bench.fork_memory

A tiny random Qwen2.5-VL watches a made-up stream: fast tokens go into a rolling context, slow
ones into a store with budgets in memory and on disk. The past of a fork is shared: its own
bytes are those of the question and the answer.
"""

from __future__ import annotations

import os
import resource
import tempfile
from pathlib import Path

import torch

from models.reasoning.slow import SlowStore
from pipeline.spill import SpillFolder
from tests.bench.streams import SECONDS, Video, rolling, segments

MINUTES = (1, 10, 30, 60, 120, 240, 480)
MEMORY, DISK = 200_000, 400_000


def resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    torch.set_num_threads(1)
    watcher = Video()
    context = rolling(watcher.model, 1024)
    with tempfile.TemporaryDirectory() as folder:
        store = SlowStore(MEMORY, "int8", SpillFolder(Path(folder)), DISK)
        print(
            f"{'minutes':>8} {'context':>8} {'fork bytes':>11} {'slow: memory':>13} {'disk':>9} "
            f"{'resident MB':>12} {'peak MB':>8}"
        )
        done = 0
        for minutes in MINUTES:
            while done < segments(minutes):
                watcher.watch(context, SECONDS / 60, done)
                features = watcher.stored(range(done, done + 1))
                store.put(done, watcher.compressor.slow(features, SECONDS))
                done += 1
            fork = context.fork()
            fork.append(watcher.question())
            for _ in fork.generate(32):
                pass
            held = store.held
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
            print(
                f"{minutes:>8} {context.length:>8} {fork.nbytes:>11,} {held.memory_bytes:>13,} "
                f"{held.spilled_bytes:>9,} {resident():>12.1f} {peak:>8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
