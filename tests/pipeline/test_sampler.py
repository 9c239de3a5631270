from __future__ import annotations

import numpy as np
import pytest

from models.media import Frame
from pipeline.sampler import Sampler


def still(time: float, level: int = 100) -> Frame:
    return Frame(time, np.full((90, 160, 3), level, np.uint8))


def noise(time: float) -> Frame:
    seed = round(time * 1000)
    return Frame(time, np.random.default_rng(seed).integers(0, 256, (36, 64, 3), np.uint8))


def taken(sampler: Sampler, frames: list[Frame]) -> list[float]:
    return [f.time for f in frames if sampler.offer(f)]


def test_a_still_picture_is_looked_at_at_the_floor_alone() -> None:
    times = taken(Sampler(fps=1, burst=2), [still(i / 4) for i in range(40)])
    assert times == [float(i) for i in range(10)]


def test_a_changing_picture_gets_more_but_never_above_the_burst() -> None:
    times = taken(Sampler(fps=1, burst=2), [noise(i / 8) for i in range(160)])
    assert 30 <= len(times) <= 2 * 20 + 1


def test_a_change_between_floor_frames_is_taken_at_once() -> None:
    frames = [still(i / 4, 30 if i < 10 else 220) for i in range(16)]
    assert 2.5 in taken(Sampler(fps=1, burst=2), frames)


def test_without_burst_only_the_floor_is_taken() -> None:
    assert len(taken(Sampler(fps=1, burst=1), [noise(i / 8) for i in range(80)])) == 10


def test_a_cut_scores_high_and_stillness_and_steady_motion_low() -> None:
    sampler = Sampler()
    sampler.offer(still(0))
    sampler.offer(still(0.25))
    assert sampler.score == 0
    sampler.offer(still(0.5, 240))
    assert 0.4 < sampler.score <= 1
    for i in range(3, 10):
        sampler.offer(noise(i / 4))
    assert sampler.score < 0.05 < sampler.change_score


def test_the_same_frames_are_chosen_every_time() -> None:
    frames = [noise(i / 8) for i in range(40)]
    assert taken(Sampler(), frames) == taken(Sampler(), frames)


def test_an_impossible_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="fps"):
        Sampler(fps=3, burst=1)
