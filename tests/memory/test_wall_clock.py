"""Questions by the clock on the wall, in a session that knows when it watched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.memory import Memory
from memory.time_expressions import parse
from memory.wall_clock import Anchor, WallClock, from_text, to_text
from tests.memory.builders import said, segment

VIENNA = timezone(timedelta(hours=1))


def began(hour: int, minute: int, second: int = 0, time: float = 0.0, day: int = 9) -> Anchor:
    wall = datetime(2026, 3, day, hour, minute, second, tzinfo=VIENNA)
    return Anchor(time, wall.timestamp(), 3600.0)


TEN = WallClock((began(10, 0),))


@pytest.mark.parametrize(
    ("question", "window"),
    [
        ("What happened at 10:42?", (2520.0, 2580.0)),
        ("What happened at 10:42:30?", (2548.0, 2552.0)),
        ("Who was there at 10:42 am?", (2520.0, 2580.0)),
        ("Who was there around 10:42?", (2460.0, 2640.0)),
        ("What was said between 10:40 and 10:43?", (2400.0, 2580.0)),
        ("Who came since 10:40?", (2400.0, 3600.0)),
        ("Who came before 10:05?", (0.0, 300.0)),
        ("What happened at 10 o'clock?", (0.0, 60.0)),
        ("What happened at 11 a.m.?", (3600.0, 3600.0)),
    ],
)
def test_the_time_of_day_is_a_stretch_of_the_stream(
    question: str, window: tuple[float, float]
) -> None:
    said_of = parse(question, 3600.0, 0.0, TEN)
    assert (said_of.start, said_of.end) == window
    assert not any(c.isdigit() for c in said_of.rest)


@pytest.mark.parametrize(
    ("question", "start"),
    [
        ("What happened at 1:05?", 63.0),  # never on the wall meanwhile: stream time
        ("What happened 10 minutes ago?", 2850.0),
        ("What was at 10 seconds?", 8.0),
    ],
)
def test_what_no_clock_showed_meanwhile_is_stream_time(question: str, start: float) -> None:
    assert parse(question, 3600.0, 0.0, TEN).start == start


def test_without_a_wall_clock_it_is_stream_time() -> None:
    assert parse("What happened at 10:42?", 3600.0).start == 640.0


def test_twelve_hours_are_told_apart_and_guessed_where_not_said() -> None:
    evening = WallClock((began(21, 0),))
    for question in ("What happened at 10:42 pm?", "What happened at 10:42?", "... at 22:42?"):
        assert parse(question, 7200.0, 0.0, evening).start == 6120.0
    assert parse("What happened at 10:42 am?", 7200.0, 0.0, evening).start != 6120.0


def test_of_several_days_it_is_the_latest_unless_yesterday_is_said() -> None:
    now = 86400.0 + 3600.0
    assert parse("What happened at 10:42?", now, 0.0, TEN).start == 86400.0 + 2520.0
    yesterday = parse("What happened yesterday at 10:42?", now, 0.0, TEN)
    assert (yesterday.start, yesterday.rest) == (2520.0, "What happened ?")


def test_a_session_taken_up_again_keeps_both_its_clocks() -> None:
    clock = WallClock((began(10, 0), began(12, 0, time=600.0)))
    assert parse("What was at 10:05?", 1200.0, 0.0, clock).start == 300.0
    assert parse("What was at 12:05?", 1200.0, 0.0, clock).start == 900.0
    assert clock.wall(900.0) == datetime(2026, 3, 9, 11, 5, tzinfo=UTC).timestamp()


def test_a_time_that_was_not_reached_yet_is_no_time_of_day() -> None:
    assert TEN.times(10 * 3600.0 + 1800.0, 0.0, 600.0) == []


@given(
    st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e6)), min_size=1, max_size=4),
    st.floats(0, 86399),
    st.floats(0, 4e5),
)
def test_every_time_given_is_one_at_which_the_clock_showed_it(
    steps: list[tuple[float, float]], of_day: float, until: float
) -> None:
    anchors, time, wall = [], 0.0, 1.7e9
    for passed, leap in steps:
        anchors.append(Anchor(time, wall, 3600.0))
        time, wall = time + passed, wall + passed + leap
    clock = WallClock(tuple(anchors))
    found = clock.times(of_day, 0.0, until)
    assert found == sorted(found) and all(0 <= t <= until for t in found)
    seams = {a.time for a in anchors}
    for t in found:
        if not any(abs(t - seam) < 1e-3 for seam in seams):
            shown = clock.local(t) % 86400
            assert min(abs(shown - of_day), 86400 - abs(shown - of_day)) < 1e-3
    assert from_text(to_text(anchors)) == tuple(anchors)


def test_a_session_keeps_when_it_watched(tmp_path: Path) -> None:
    path = tmp_path / "s.onlooker"
    with Memory.open(path, None) as memory:
        assert memory.wall_clock is None
        memory.watched_at(began(10, 0))
        for i in range(100):
            memory.append(segment(i, said(f"sentence {i}", 36.0 * i), start=36.0 * i))
        found = memory.recall("What was said at 10:30?", 3600.0, 1)
        assert 1800.0 <= found[0].segment.start < 1860.0
    with Memory.open(path, None) as memory:
        memory.watched_at(began(12, 0, time=3600.0))
        assert memory.wall_clock is not None
        assert memory.wall_clock.anchors == (began(10, 0), began(12, 0, time=3600.0))
        memory.watched_at(began(12, 1, time=3600.0))  # the same moment, put right
        assert len(memory.wall_clock.anchors) == 2
