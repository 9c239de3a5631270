"""Gaze from end to end in a photo-real world: it helps where it should, a stranger's does not.

What models would perceive is told by the world itself here; ``tests/bench/gaze.py`` asks the
real ones.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from memory.segment import ScreenText, SeenObject, Segment
from models.media import Frame, GazeSample
from pipeline.gaze import GazeWatcher, Target
from pipeline.gaze_questions import History, history, reply
from tests.gaze_world import VIEW, World, available

BY_GAZE = {
    "object transition",
    "sequence",
    "never looked at",
    "identification, easy",
    "identification, hard",
    "attribute",
    "gaze alert",
}


class Told:
    """Names what is at the gaze by asking the world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.times: dict[int, float] = {}
        self.runs = 0

    def name(self, image, x, y):
        self.runs += 1
        item = self.world.at(self.times[id(image)], x, y)
        if item is None:
            return Target()
        return Target((), (item.name,), True, item.colour) if item.sign else Target((item.name,))


def watched(world: World, stranger: World | None) -> list[Segment]:
    namer = Told(world)
    watcher = GazeWatcher(namer, view=VIEW)
    observations = []
    kept = []
    for media in world.media(stranger):
        if isinstance(media, GazeSample):
            observations += watcher.sample(media)
        elif isinstance(media, Frame):
            kept.append(media.image)  # ids stay unique while their pictures live
            namer.times[id(media.image)] = media.time
            observations += watcher.frame(media)
            for item in world.items:
                if world.in_view(item, media.time, media.time) > 0.9:
                    box = (0.0, 0.0, 0.1, 0.1)
                    observations.append(
                        ScreenText(media.time, item.name, box, 0.9)
                        if item.sign
                        else SeenObject(media.time, item.name, 0.9)
                    )
    observations += watcher.finish()
    ordered = tuple(sorted(observations, key=lambda o: (o.known_at, o.time)))
    return [Segment(0, 0.0, world.duration, ordered, "end")]


def test_gaze_helps_where_it_should_and_a_strangers_does_not():
    if not available():
        pytest.skip("needs the photographs inside scikit-image, gradio and scikit-learn")
    world, stranger = World(3, dwells=12, noise=0), World(5, dwells=12, noise=0)
    right = defaultdict(lambda: defaultdict(list))
    ways = {"gaze": watched(world, None), "shuffled": watched(world, stranger)}
    asked = world.questions()
    for each in asked:
        for way in ("gaze", "none", "shuffled"):
            known = history(ways["gaze" if way == "none" else way], each.time, 0.8)
            if way == "none":
                known = History((), known.views)
            said = reply(each.question, known, each.time, each.options)
            found = said.probabilities if said is not None else ()
            worth = float(np.argmax(found) == each.right) if found else 1 / len(each.options)
            right[way][each.kind].append(worth)
    assert len({each.kind for each in asked}) == 10

    def share(way: str) -> float:
        return float(np.mean([np.mean(right[way][kind]) for kind in BY_GAZE]))

    chance = float(np.mean([1 / len(each.options) for each in asked if each.kind in BY_GAZE]))
    assert share("gaze") > 0.9
    assert share("shuffled") < 0.55
    assert share("none") < chance + 0.1
    for way in ("gaze", "none", "shuffled"):  # what appears needs no gaze
        assert np.mean(right[way]["appearance alert"]) > 0.7
