"""Gaze: does it help where it should, and what survives compression.

python -m tests.bench.gaze fixations     # against the maker's own on a real recording
python -m tests.bench.gaze questions     # ten kinds, with, without and shuffled gaze
python -m tests.bench.gaze engine        # the same asked of the embedded engine
python -m tests.bench.gaze foveated      # foveated against uniform pooling
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from memory.segment import Segment
from models.media import Frame, GazeSample
from models.vision.objects import CERTAIN, ObjectClassifier
from models.vision.text_reader import TextReader
from pipeline.gaze import GazeWatcher, Namer
from pipeline.gaze_questions import History, history, reply
from tests.gaze_world import VIEW, Asked, World

SHARED = Path(__file__).resolve().parents[3] / "shared"


class Seen:
    """A world watched once, with one gaze after another over the same perception."""

    def __init__(self, senses: tuple[ObjectClassifier, TextReader]) -> None:
        self._seeing, self._reading = senses
        self.runs = 0

    def watch(self, world: World, gaze: World | None) -> list[Segment]:
        """The world in one segment; the gaze of another world where one is given."""
        from pipeline.perception import Perception, Senses

        class Deaf:
            def transcribe(self, speech: object) -> None:
                return None

        senses = Senses(Deaf(), self._reading, self._seeing, None, CERTAIN)
        perception = Perception(senses)
        namer = Namer(self._seeing, self._reading, CERTAIN)
        watcher = GazeWatcher(namer, view=VIEW)
        observations: list[object] = []
        for media in world.media(gaze):
            if isinstance(media, GazeSample):
                observations += watcher.sample(media)
            elif isinstance(media, Frame):
                observations += watcher.frame(media)
                if media.time == int(media.time):
                    observations += perception.see(media).observations
        observations += watcher.finish()
        self.runs += namer.runs
        ordered = tuple(sorted(observations, key=lambda o: (o.known_at, o.time)))
        return [Segment(0, 0.0, world.duration, ordered, "end")]


def without_gaze(known: History) -> History:
    return History((), known.views)


def right(asked: Asked, probabilities: tuple[float, ...] | None) -> float:
    """1 or 0; where nothing can be told, what guessing is worth."""
    if not probabilities:
        return 1 / len(asked.options)
    best = max(probabilities)
    winners = [i for i, p in enumerate(probabilities) if p > best - 1e-9]
    return (asked.right in winners) / len(winners)


def questions(worlds: int = 4) -> None:
    senses = (ObjectClassifier(), TextReader())
    seen = Seen(senses)
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    began = time.perf_counter()
    made = [World(seed) for seed in range(worlds + 1)]
    for index in range(worlds):
        world, stranger = made[index], made[index + 1]
        ways = {"gaze": seen.watch(world, None), "shuffled": seen.watch(world, stranger)}
        for asked in world.questions():
            for way in ("gaze", "none", "shuffled"):
                segments = ways["gaze" if way == "none" else way]
                known = history(segments, asked.time, CERTAIN)
                if way == "none":
                    known = without_gaze(known)
                said = reply(asked.question, known, asked.time, asked.options)
                worth = right(asked, None if said is None else said.probabilities)
                scores[asked.kind][way].append(worth)
                scores[asked.kind]["chance"].append(1 / len(asked.options))
    table(scores, ("chance", "none", "gaze", "shuffled"))
    print(f"{worlds} worlds, {seen.runs} namings, {time.perf_counter() - began:.0f} s")


def table(scores: dict[str, dict[str, list[float]]], ways: tuple[str, ...]) -> None:
    print(f"{'kind':24} {'n':>4} " + " ".join(f"{way:>9}" for way in ways))
    for kind in sorted(scores):
        cells = " ".join(f"{100 * np.mean(scores[kind][way]):8.1f}%" for way in ways)
        print(f"{kind:24} {len(scores[kind][ways[-1]]):4} {cells}")
    cells = " ".join(
        f"{100 * np.mean([np.mean(scores[kind][way]) for kind in scores]):8.1f}%" for way in ways
    )
    print(f"{'mean of the kinds':24} {'':4} {cells}")


if __name__ == "__main__":
    what = sys.argv[1] if len(sys.argv) > 1 else "questions"
    {"questions": questions}[what](*(int(n) for n in sys.argv[2:]))
