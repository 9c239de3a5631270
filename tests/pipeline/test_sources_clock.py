from __future__ import annotations

import pytest

from pipeline.sources.clock import StreamClock


def test_times_count_from_the_origin() -> None:
    clock = StreamClock(origin=100.0)
    assert clock.place("video", 100.0, 0.1) == 0
    assert clock.place("video", 100.1, 0.1) == pytest.approx(0.1)


def test_a_jump_back_goes_on_where_the_stream_was() -> None:
    clock = StreamClock()
    for i in range(51):
        clock.place("video", i / 10, 0.1)
    assert clock.place("video", 0.0, 0.1) == pytest.approx(5.1)
    assert clock.place("video", 0.1, 0.1) == pytest.approx(5.2)
    assert clock.jumps == 1


def test_kinds_that_jump_together_stay_together() -> None:
    clock = StreamClock()
    for i in range(51):
        clock.place("video", i / 10, 0.1)
        clock.place("audio", i / 10, 0.1)
    video = clock.place("video", 0.0, 0.1)
    audio_before = clock.place("audio", 5.1, 0.1)
    audio = clock.place("audio", 0.5, 0.1)
    assert audio_before == pytest.approx(5.1)
    assert audio - video == pytest.approx(0.5)
    assert clock.jumps == 1


def test_small_disorder_and_pauses_are_left_as_they_are() -> None:
    clock = StreamClock()
    clock.place("video", 10.0, 0.1)
    assert clock.place("video", 9.8, 0.1) == pytest.approx(9.8)
    assert clock.place("video", 70.0, 0.1) == pytest.approx(70.0)
    assert clock.jumps == 0


def test_missing_times_go_on_from_the_last() -> None:
    clock = StreamClock()
    assert [clock.place("video", None, 0.5) for _ in range(3)] == [0.0, 0.5, 1.0]
