"""What a live source gives faster than it is watched is left out in order, counted and told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.media import AudioChunk, Break, Frame, GazeSample, Media
from pipeline.sources.backlog import PICTURE_LATE, SOUND_LATE, UNHEARD, Backlog


def frame(time: float) -> Frame:
    return Frame(time, np.zeros((4, 4, 3), np.uint8))


def sound(time: float, length: float = 0.2) -> AudioChunk:
    return AudioChunk(time, np.zeros(round(length * 16_000), np.float32))


def come(backlog: Backlog, *media: Media) -> None:
    """Each at the moment of its own stream time."""
    for item in media:
        backlog.put(item, now=getattr(item, "end", item.time))


def rest(backlog: Backlog, now: float) -> list[Media]:
    taken = []
    while (media := backlog.take(now)) is not None:
        taken.append(media)
    return taken


def test_late_pictures_are_left_out_before_any_sound() -> None:
    backlog = Backlog(64, live=True)
    come(backlog, *(m for i in range(8) for m in (frame(i / 5), sound(i / 5))))
    got = rest(backlog, now=1.6)
    assert [m.time for m in got if isinstance(m, AudioChunk)] == [i / 5 for i in range(8)]
    assert [m.time for m in got if isinstance(m, Frame)] == [0.4, 0.6, 0.8, 1.0, 1.2, 1.4]
    assert backlog.dropped == 2


def test_where_sound_is_late_no_picture_is_kept_and_the_hole_is_told() -> None:
    backlog = Backlog(64, live=True)
    come(backlog, *(m for i in range(20) for m in (frame(i / 5), sound(i / 5))))
    got = rest(backlog, now=4.0)
    assert not [m for m in got if isinstance(m, Frame)]
    hole = got[0]
    assert hole == Break(0.0, pytest.approx(2.2), UNHEARD)
    assert got[1].time == pytest.approx(2.2)
    assert backlog.dropped == 20 + 11


def test_holes_that_touch_are_told_as_one() -> None:
    backlog = Backlog(3, live=True)
    come(backlog, *(sound(i / 5) for i in range(12)))
    got = rest(backlog, now=2.4)
    assert [m for m in got if isinstance(m, Break)] == [Break(0.0, pytest.approx(2.0), UNHEARD)]
    assert backlog.dropped == 10


def test_a_burst_is_not_late_and_is_watched_at_its_own_pace() -> None:
    """As HLS gives it: six seconds at once, then nothing for six."""
    backlog = Backlog(64, live=True)
    dropped, now = 0, 0.0
    for burst in range(5):
        for i in range(24):
            backlog.put(frame(6 * burst + i / 4), now)
        for _ in range(24):
            assert backlog.take(now) is not None
            now += 0.2  # watched faster than it was filmed, slower than it came
        now = 6.0 * (burst + 1)
        dropped = backlog.dropped
    assert dropped == 0


def test_after_a_time_away_what_is_late_counts_from_the_return() -> None:
    backlog = Backlog(64, live=True)
    come(backlog, frame(0.0), Break(0.2, 60.0, "away"), frame(60.0), frame(60.1), frame(63.0))
    assert [m.time for m in rest(backlog, now=63.0)] == [0.2, 63.0]


def test_a_file_is_never_late() -> None:
    backlog = Backlog(4, live=False)
    come(backlog, frame(0.0), frame(100.0))
    assert [m.time for m in rest(backlog, now=1e6)] == [0.0, 100.0]
    assert backlog.dropped == 0


def test_nothing_read_is_no_lag() -> None:
    assert Backlog(4, live=True).lag(1e9) == 0.0


@settings(max_examples=60, deadline=None)
@given(
    costs=st.lists(st.floats(0.0, 3.0), min_size=10, max_size=80),
    rate=st.sampled_from([1, 4, 12]),
    capacity=st.integers(1, 40),
)
def test_what_is_taken_is_never_later_than_its_bound_and_nothing_is_lost_uncounted(
    costs: list[float], rate: int, capacity: int
) -> None:
    """However long each piece of work takes; sound is whole or its hole is told."""
    media: list[Media] = [frame(i / rate) for i in range(30 * rate)]
    media += [sound(i / 5) for i in range(150)]
    media += [GazeSample(i / 10, 0.5, 0.5) for i in range(300)]
    media.sort(key=lambda m: m.time)
    backlog = Backlog(capacity, live=True)
    now, read, taken = 0.0, 0, 0
    heard = 0.0
    for cost in costs:
        while read < len(media) and media[read].time <= now:
            backlog.put(media[read], now)
            read += 1
        got = backlog.take(now)
        if got is None:
            now += 0.05
            continue
        edge = got.time + backlog.lag(now)
        if isinstance(got, Frame):
            assert edge - got.time <= PICTURE_LATE + 1e-6
        if isinstance(got, AudioChunk):
            assert edge - got.time <= SOUND_LATE + 1e-6
        if isinstance(got, AudioChunk | Break):
            assert capacity < 3 or got.time == pytest.approx(heard)
            heard = got.end
        taken += not isinstance(got, Break)
        now += cost
    held = sum(not isinstance(m, Break) for m in backlog._items)
    assert read == taken + backlog.dropped + held
