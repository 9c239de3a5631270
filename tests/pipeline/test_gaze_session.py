"""Gaze through a whole session: fixations as in retrospect, soon known, and asked about."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest

from memory.memory import Memory
from memory.segment import Fixation
from models.gaze.fixations import detect
from models.media import GazeSample
from pipeline.gaze import CROP_BYTES, GazeWatcher
from pipeline.perception import Perception
from pipeline.sampler import Sampler
from pipeline.segmenter import Segmenter
from pipeline.session import Session
from pipeline.sources.gaze import GazeTrack, read_gaze
from pipeline.sources.gaze.merged import WithGaze
from pipeline.watcher import Watcher
from tests.pipeline.fakes import Echo, Scripted, engine, frames, hashed, silence


def wandering(seconds: float, rate: float, seed: int) -> GazeTrack:
    """A gaze that rests here and there, noisy, with blinks."""
    rng = np.random.default_rng(seed)
    times = np.arange(int(seconds * rate)) / rate
    points = np.zeros((len(times), 2))
    start = 0
    while start < len(times):
        stop = start + int(rng.uniform(0.12, 2.0) * rate)
        points[start:stop] = rng.uniform(0.2, 0.8, 2)
        if rng.random() < 0.2:
            points[stop - int(0.1 * rate) : stop] = math.nan
        start = stop
    points += rng.normal(0, 0.0005, points.shape)
    return GazeTrack("g", "plain", times, points, np.ones(len(times)))


def whole(pieces: list[Fixation]) -> list[tuple[float, float]]:
    """Start and end of the fixations that pieces of them make up."""
    joined: list[tuple[float, float]] = []
    for piece in pieces:
        if joined and joined[-1][1] == piece.start:
            joined[-1] = joined[-1][0], piece.end
        else:
            joined.append((piece.start, piece.end))
    return joined


@pytest.mark.parametrize("rate", [60.0, 200.0])
def test_a_session_finds_what_is_found_in_retrospect(rate: float) -> None:
    track = wandering(20.0, rate, seed=3)
    source = WithGaze(Scripted(frames(20.0) + silence(20.0)), track)
    with (
        Memory.open(None, hashed) as memory,
        Session(source, engine(Echo()), memory) as session,
    ):
        assert session.wait(30)
        segments = memory.segments()
    found = [o for s in segments for o in s.observations if isinstance(o, Fixation)]
    expected = detect(track)
    assert len(expected) > 10
    assert whole(sorted(found, key=lambda f: f.start)) == [(f.start, f.end) for f in expected]
    crops = [f.crop for f in found if f.crop]
    assert crops and all(len(crop) <= CROP_BYTES for crop in crops)
    assert cv2.imdecode(np.frombuffer(crops[0], np.uint8), cv2.IMREAD_COLOR) is not None


@pytest.mark.parametrize("rate", [60.0, 200.0])
def test_while_it_is_watched_a_fixation_is_known_within_50_ms_of_its_end(rate: float) -> None:
    track = wandering(20.0, rate, seed=4)
    known: dict[float, float] = {}
    with Memory.open(None, hashed) as memory:
        samples = [-math.inf]

        def emit(what: object) -> None:
            if isinstance(what, Fixation):
                known[what.end] = samples[-1]

        watcher = Watcher(
            Perception(engine(Echo()).senses),
            Sampler(1.0, 2.0),
            Segmenter(),
            memory,
            emit,
            GazeWatcher(None),
        )
        for media in WithGaze(Scripted(frames(20.0)), track):
            if isinstance(media, GazeSample):
                samples.append(media.time)
            watcher.take(media)
        last = samples[-1]
        watcher.finish()
    ends = [f.end for f in detect(track)]
    late = [known[end] - end for end in ends if end + 0.05 <= last]
    assert len(late) > 10 and max(late) <= 0.050 + 1e-9


def test_the_makers_fixations_are_found_through_a_session(shared: Any) -> None:
    track = read_gaze(shared / "gaze" / "neon_demo" / "gaze.csv")
    source = WithGaze(Scripted(frames(10.0)), track)
    with (
        Memory.open(None, hashed) as memory,
        Session(source, engine(Echo()), memory) as session,
    ):
        assert session.wait(30)
        found = [o for s in memory.segments() for o in s.observations if isinstance(o, Fixation)]
    inside = [s for s in track if 0 <= s.time <= 9.75]
    expected = [(f.start, f.end) for f in detect(inside)]
    assert len(expected) > 15
    assert whole(sorted(found, key=lambda f: f.start)) == expected


def test_a_question_about_gaze_that_records_do_not_answer_is_put_with_all_looks() -> None:
    echo = Echo()
    track = wandering(12.0, 60.0, seed=5)
    with (
        Memory.open(None, hashed) as memory,
        Session(WithGaze(Scripted(frames(12.0)), track), engine(echo), memory) as session,
    ):
        assert session.wait(30)
        list(session.ask("What did I look at before the zebra?"))
        told = [line.text for p in echo.asked[-1].passages for line in p.lines]
        assert any(text.startswith("looked at dark") for text in told)
        assert all(p.known_at <= echo.asked[-1].time for p in echo.asked[-1].passages)
        list(session.ask("What was said?"))
        told = [line.text for p in echo.asked[-1].passages for line in p.lines]
        assert not any(text.startswith("looked at") for text in told)
        assert any(p.looks for p in echo.asked[-1].passages)
