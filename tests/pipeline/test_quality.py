"""The quality of watching steps down in its stated order, and recovers only after a calm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.quality import Quality, QualityControl

LATE, CAUGHT_UP, SETTLE, CALM, SPARE = 0.75, 0.3, 1.0, 10.0, 0.6


def test_it_gives_up_pictures_then_reading_then_their_size() -> None:
    control = QualityControl()
    steps = [control.observe(i / 10, lag=1.0, worked=0.2) for i in range(40)]
    assert list(dict.fromkeys(steps)) == [
        Quality.FEWER_PICTURES,
        Quality.NO_READING,
        Quality.SMALL_PICTURES,
    ]
    assert steps.index(Quality.NO_READING) == 10  # each step is given time to help


def test_it_recovers_step_by_step_once_the_load_is_gone() -> None:
    control = QualityControl()
    for i in range(40):
        control.observe(i / 10, lag=1.0, worked=0.1)
    back = [(i / 10, control.observe(i / 10, lag=0.0, worked=0.01)) for i in range(40, 500)]
    steps = list(dict.fromkeys(quality for _, quality in back))
    assert steps == [*reversed(Quality)]
    full = next(time for time, quality in back if quality is Quality.FULL)
    assert full >= 4.0 + 3 * CALM


def test_it_does_not_recover_into_a_load_that_it_only_just_bears() -> None:
    control = QualityControl()
    for i in range(20):
        control.observe(i / 10, lag=1.0, worked=0.1)
    low = control.quality
    for i in range(20, 600):
        assert control.observe(i / 10, lag=0.1, worked=0.08) == low
    assert control.load == pytest.approx(0.8, abs=0.05)


def test_a_passing_lag_within_the_band_changes_nothing() -> None:
    control = QualityControl()
    assert all(control.observe(i / 10, 0.5, 0.05) is Quality.FULL for i in range(300))


def test_bounds_that_leave_no_band_are_refused() -> None:
    with pytest.raises(ValueError, match="caught_up < late"):
        QualityControl(late=0.5, caught_up=0.5)


@given(
    st.lists(st.tuples(st.floats(0.0, 3.0), st.floats(0.0, 3.0), st.floats(0.0, 2.0)), max_size=200)
)
def test_every_change_is_one_step_with_its_reason(
    figures: list[tuple[float, float, float]],
) -> None:
    control = QualityControl()
    time, before, changed, calm = 0.0, Quality.FULL, -10.0, 0.0
    for passed, lag, worked in figures:
        time += passed
        now = control.observe(time, lag, worked)
        if lag > CAUGHT_UP or control.load > SPARE:
            calm = time
        assert abs(now - before) <= 1
        if now > before:
            assert lag > LATE and time - changed >= SETTLE
        if now < before:
            assert time - max(calm, changed) >= CALM - 1e-9
        if now != before:
            changed = time
        before = now
