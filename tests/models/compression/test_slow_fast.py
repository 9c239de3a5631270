"""Slow-fast: the budgets hold for every segment, and are used."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.compression.slow_fast import SlowFast, coarser
from models.reasoning.multimodal.visual import Compressor, VisualFeatures


def clip(steps: int, height: int, width: int, seed: int = 0) -> VisualFeatures:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(steps, height, width, 4, generator=generator)
    return VisualFeatures(tokens, tuple(map(float, range(steps))), deepstack=(tokens + 1,))


def test_it_is_a_compressor() -> None:
    compressor: Compressor = SlowFast()
    assert len(compressor.fast(clip(4, 4, 4), 8.0)) == 32


@settings(max_examples=150, deadline=None)
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 8), st.integers(1, 8)),
    seconds=st.floats(0.0, 30.0),
    fast=st.floats(0, 900),
    slow=st.floats(0, 3000),
    static=st.one_of(st.none(), st.floats(-1, 1)),
    weighted=st.booleans(),
)
def test_budgets_in_tokens_a_minute_hold(
    size: tuple[int, int, int],
    seconds: float,
    fast: float,
    slow: float,
    static: float | None,
    weighted: bool,
) -> None:
    compressor = SlowFast(fast, slow, static_similarity=static)
    features = clip(*size)
    weights = torch.rand(size) + 0.01 if weighted else None
    few, many = (
        compressor.fast(features, seconds, weights),
        compressor.slow(features, seconds, weights),
    )
    assert len(few) <= fast * seconds / 60
    assert len(many) <= slow * seconds / 60
    for kept in (few, many):
        assert torch.isfinite(kept.tokens).all()
        assert torch.allclose(kept.deepstack[0], kept.tokens + 1, atol=1e-5)
        cells = kept.grid.tolist()
        assert cells == sorted(cells)
        assert all(all(0 <= c < s for c, s in zip(cell, kept.size, strict=True)) for cell in cells)
    if int(fast * seconds / 60) >= 1:
        assert len(few) >= 1


@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 30), st.integers(1, 30)),
    count=st.integers(1, 2000),
    frames=st.integers(0, 20),
)
def test_a_coarser_grid_fits_and_is_not_smaller_than_it_must(
    size: tuple[int, int, int], count: int, frames: int
) -> None:
    steps, height, width = coarser(size, count, frames)
    assert steps * height * width <= count
    assert steps <= size[0] and height <= size[1] and width <= size[2]
    total = size[0] * size[1] * size[2]
    assert steps * height * width >= min(count, total) / 4 or min(size[1:]) < 3


def test_time_gives_way_first_then_the_picture_then_time_again() -> None:
    size = (16, 8, 8)
    assert coarser(size, 1024, 4) == (16, 8, 8)
    assert coarser(size, 512, 4) == (8, 8, 8)
    assert coarser(size, 256, 4) == (4, 8, 8)
    assert coarser(size, 64, 4) == (4, 4, 4)
    assert coarser(size, 4, 4) == (4, 1, 1)
    assert coarser(size, 3, 4) == (3, 1, 1)


def test_the_published_64_frames_become_16() -> None:
    """64 frames at one a second, 9 x 9 tokens each: the budget of the released model."""
    fast = SlowFast(fast_tokens_per_minute=16 * 81 * 60 / 64).fast(clip(64, 9, 9), 64.0)
    assert fast.size == (16, 9, 9)
    assert len(fast) == 16 * 81


def test_slow_is_everything_where_the_budget_holds_it() -> None:
    features = clip(3, 4, 4)
    slow = SlowFast(slow_tokens_per_minute=48 * 60).slow(features, 1.0)
    assert torch.equal(slow.tokens, features.tokens.reshape(-1, 4))


def test_slow_keeps_what_changed_and_a_weight_can_turn_the_choice() -> None:
    still = clip(1, 4, 4).tokens.expand(3, 4, 4, 4).clone()
    still[1, 0, 0] *= -1
    still[1, 3, 3] *= -1
    features = VisualFeatures(still, (0.0, 1.0, 2.0))
    budget = SlowFast(slow_tokens_per_minute=33 * 60, static_similarity=0.9)
    assert budget.slow(features, 1.0).grid[16:].tolist() == [
        [1, 0, 0],
        [1, 3, 3],
        [2, 0, 0],
        [2, 3, 3],
    ]
    looked_at = torch.ones(3, 4, 4)
    looked_at[2, 3, 3] = 9
    narrow = SlowFast(slow_tokens_per_minute=32 * 60)
    assert [2, 3, 3] in narrow.slow(features, 1.0, looked_at).grid.tolist()


def test_a_frame_larger_than_half_the_slow_budget_is_pooled_not_cut() -> None:
    slow = SlowFast(slow_tokens_per_minute=32 * 60).slow(clip(4, 8, 8), 1.0)
    assert slow.size == (4, 4, 4)
    assert [cell for cell in slow.grid.tolist() if cell[0] == 0] == [
        [0, h, w] for h in range(4) for w in range(4)
    ]
    assert len(slow) == 32


def test_negative_budgets_and_weights_on_sampled_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be negative"):
        SlowFast(-1)
    with pytest.raises(ValueError, match="sampled frames cannot be weighted"):
        SlowFast(sampling_stride=2).fast(clip(4, 2, 2), 4.0, torch.ones(4, 2, 2))
