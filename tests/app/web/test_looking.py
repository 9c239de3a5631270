"""The pointer as gaze, put into a stream: order, lateness, winding back; and a tracker's file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from app.web.looking import Looking, points, recorded
from memory.segment import Fixation
from models.gaze.fixations import POINTER
from models.media import AudioChunk, Frame, GazeSample, Media
from pipeline.gaze import GazeWatcher
from pipeline.sources.gaze import GazeError
from pipeline.sources.source import Properties
from tests.app.web.site import SAMPLE

PICTURE = np.zeros((8, 8, 3), np.uint8)


class Script:
    """Media, four pictures and ten stretches of sound a second; ``before`` is called with the
    time of each."""

    def __init__(self, end: float, before: Callable[[float], None] = lambda time: None) -> None:
        sounds = [AudioChunk(i / 10, np.zeros(1600, np.float32)) for i in range(int(end * 10))]
        pictures = [Frame(i / 4, PICTURE) for i in range(int(end * 4))]
        self.media: list[Media] = sorted([*sounds, *pictures], key=lambda media: media.time)
        self.before = before
        self.properties = Properties("script", end, False, 8, 8, 4.0, True, True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None: ...

    def __iter__(self) -> Iterator[Media]:
        for media in self.media:
            self.before(media.time)
            yield media

    def close(self) -> None: ...


def rests(start: float, end: float, x: float, y: float = 0.5) -> list[GazeSample]:
    count = round((end - start) * 30)
    return [GazeSample(start + i / 30, x, y) for i in range(count)]


LOOKS = [*rests(1.0, 2.0, 0.2), *rests(2.0, 3.0, 0.8), GazeSample(3.0, math.nan, math.nan)]


def watch(late: float) -> list[Fixation]:
    """The fixations of :data:`LOOKS`, sent each 0.2 s and ``late`` seconds of stream later."""
    waiting = [LOOKS[i : i + 6] for i in range(0, len(LOOKS), 6)]
    number = 0

    def before(time: float) -> None:
        nonlocal number
        while waiting and waiting[0][-1].time + late <= time:
            number = looking.look("a tab", number, waiting.pop(0))

    looking = Looking(Script(6, before))
    watcher = GazeWatcher(None, POINTER)
    found = []
    for media in looking:
        if isinstance(media, GazeSample):
            found += watcher.sample(media)
        elif isinstance(media, Frame):
            found += watcher.frame(media)
    return [*found, *watcher.finish()]


def test_looks_that_come_half_a_second_late_are_the_same_fixations() -> None:
    in_time = watch(0.0)
    assert {round(each.x, 1) for each in in_time} == {0.2, 0.8}
    assert sum(each.end - each.start for each in in_time) == pytest.approx(2.0, abs=0.2)
    assert watch(0.5) == in_time


def test_looks_that_come_seconds_late_are_left_out_and_not_moved() -> None:
    assert watch(2.5) == []


def test_what_is_shown_ahead_of_watching_waits_for_it() -> None:
    looking = Looking(Script(4))
    looking.look("a tab", 0, rests(2.0, 3.0, 0.5))
    order = [(type(media), media.time) for media in looking]
    first = order.index((GazeSample, 2.0))
    assert all(time < 2.0 for _, time in order[:first])
    assert sum(kind is GazeSample for kind, _ in order) > 40


def test_a_batch_sent_again_counts_once_and_tabs_keep_their_own_order() -> None:
    looking = Looking(Script(4))
    assert looking.look("a", 0, rests(1.0, 1.2, 0.1)) == 1
    assert looking.look("a", 0, rests(1.0, 1.2, 0.1)) == 1
    assert looking.look("b", 0, rests(1.2, 1.4, 0.9)) == 1
    assert looking.look("a", 3, rests(1.4, 1.6, 0.1)) == 4  # what was given up is not waited for
    times = [media.time for media in looking if isinstance(media, GazeSample)]
    assert times == sorted(set(times))
    assert times[0] == 1.0
    assert 1.5 < times[-1] < 1.6


def test_wound_back_looks_replace_those_at_what_was_not_watched_yet() -> None:
    looking = Looking(Script(4))
    looking.look("a", 0, rests(1.0, 3.0, 0.1))
    looking.look("a", 1, rests(2.0, 3.0, 0.9))
    got = [media for media in looking if isinstance(media, GazeSample)]
    assert {s.x for s in got if s.time < 2.0} == {0.1}
    assert {s.x for s in got if s.time >= 2.0} == {0.9}
    assert np.all(np.diff([s.time for s in got]) > 0)


def test_looks_at_what_has_been_watched_are_left_out() -> None:
    looking = Looking(Script(4))
    looking.look("a", 0, rests(1.0, 2.0, 0.1))
    stream = iter(looking)
    while not isinstance(media := next(stream), Frame) or media.time < 2.0:
        pass
    looking.look("a", 1, rests(1.5, 1.8, 0.9))
    assert [m for m in stream if isinstance(m, GazeSample) and m.x == 0.9] == []


def test_gaze_in_pixels_of_no_named_picture_is_that_of_the_clip(tmp_path: Path) -> None:
    gaze = tmp_path / "mine.csv"
    gaze.write_text("t,x,y\n0.0,160,90\n0.1,160,90\n0.2,nan,nan\n0.3,480,270\n")
    track = recorded(gaze, 1.0, SAMPLE)
    assert points(track, 0, 10) == [(1.0, 0.25, 0.25), (1.1, 0.25, 0.25), None, (1.3, 0.75, 0.75)]
    assert "pixels" in " ".join(track.remarks)


def test_a_gaze_file_that_cannot_be_read_is_named_without_its_folder(tmp_path: Path) -> None:
    gaze = tmp_path / "mine.csv"
    gaze.write_text("a,b\n1,2\n")
    with pytest.raises(GazeError, match=r"^mine\.csv has no column for the time") as told:
        recorded(gaze, 0.0, SAMPLE)
    assert str(tmp_path) not in str(told.value)
