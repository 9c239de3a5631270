"""Writes a session in processes of its own, and kills each at a random moment.

    python -m tests.memory.killing PATH KILLS SEED

Prints the index of the last segment that a writer said was kept. Writers are forked from
here, so that fifty of them cost no fifty starts of Python.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from memory.memory import Memory
from memory.segment import Look, SeenObject, Segment
from tests.memory.builders import said, segment

SECONDS = 20.0


def part(index: int) -> Segment:
    start = SECONDS * index
    told = said(f"sentence number {index}", start)
    faint = (Look(start, 0.1, 0.5), SeenObject(start, "weasel", 0.2))
    return replace(segment(index, told, *faint, start=start), thumbnail=bytes(500))


def write(path: Path, acknowledge: int) -> None:
    with Memory.open(path, None) as memory:
        while True:
            index = memory.next_index
            memory.append(part(index))
            os.write(acknowledge, b"%d\n" % index)
            if index % 4 == 0:
                memory.consolidate(SECONDS * index, 0, steps=2)


def main() -> None:
    path, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    rng = random.Random(seed)
    acknowledged = -1
    for _ in range(kills):
        readable, writable = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(readable)
            try:
                write(path, writable)
            finally:
                os._exit(1)
        os.close(writable)
        with os.fdopen(readable, encoding="ascii") as lines:
            for _ in range(rng.randrange(8)):
                acknowledged = int(lines.readline())
            time.sleep(rng.random() * 0.02)
            os.kill(child, signal.SIGKILL)
            for line in lines:
                acknowledged = int(line)
        os.waitpid(child, 0)
    print(acknowledged)


if __name__ == "__main__":
    main()
