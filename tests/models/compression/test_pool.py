"""Pooling: as published where sizes divide, and nothing lost where they do not."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from models.compression.pool import pool, pool_space, pool_time, sample_frames
from models.reasoning.multimodal.visual import VisualFeatures


def features(steps: int = 8, height: int = 4, width: int = 6, layers: int = 2) -> VisualFeatures:
    torch.manual_seed(steps)
    shape = (steps, height, width, 5)
    return VisualFeatures(
        tokens=torch.randn(shape),
        times=tuple(10.0 + 2 * t for t in range(steps)),
        deepstack=tuple(torch.randn(shape) for _ in range(layers)),
    )


def test_means_are_those_of_average_pooling_deepstack_alike() -> None:
    given = features()
    pooled = pool_space(pool_time(given, 2, least=1), 2)
    for before, after in zip(
        (given.tokens, *given.deepstack), (pooled.tokens, *pooled.deepstack), strict=True
    ):
        expected = F.avg_pool3d(before.permute(3, 0, 1, 2), 2).permute(1, 2, 3, 0)
        assert torch.allclose(after, expected, atol=1e-6)
    assert pooled.times == (11.0, 15.0, 19.0, 23.0)


def test_frames_are_sampled_evenly_and_not_below_the_floor() -> None:
    given = features(steps=12)
    assert sample_frames(given, 3, least=1).times == tuple(10.0 + 2 * t for t in (0, 3, 6, 9))
    assert len(sample_frames(given, 6, least=5).tokens) == 5
    assert sample_frames(given, 6, least=16).times == given.times
    sampled = sample_frames(given, 4, least=2)
    assert torch.equal(sampled.deepstack[1], given.deepstack[1][[0, 4, 8]])


@pytest.mark.parametrize(
    ("steps", "stride", "least", "count"),
    [(64, 4, 16, 16), (96, 6, 16, 16), (32, 4, 16, 16), (8, 4, 16, 8), (9, 4, 1, 3)],
)
def test_time_is_pooled_down_to_the_floor(steps: int, stride: int, least: int, count: int) -> None:
    """The first two are the released 64 and 96 frame models: 16 fast frames each."""
    assert len(pool_time(features(steps, 1, 1), stride, least).tokens) == count


def test_no_frame_is_lost_where_sizes_do_not_divide() -> None:
    given = features(steps=7, height=3, width=5)
    pooled = pool(given, (3, 2, 2))
    for cell in range(7 * 3 * 5):
        changed = given.tokens.clone()
        changed.view(-1, 5)[cell] += 100
        other = pool(VisualFeatures(changed, given.times), (3, 2, 2))
        assert (other.tokens - pooled.tokens).abs().max() > 1


def test_weights_draw_the_mean_to_what_they_stress() -> None:
    given = features(steps=2, height=2, width=2)
    weights = torch.full((2, 2, 2), 1e-6)
    weights[1, 0, 1] = 1
    pooled = pool(given, (1, 1, 1), weights)
    assert torch.allclose(pooled.tokens[0, 0, 0], given.tokens[1, 0, 1], atol=1e-4)
    alike = pool_space(given, 2, weights=torch.full((2, 2, 2), 3.0))
    assert torch.allclose(alike.tokens, pool_space(given, 2).tokens, atol=1e-6)


def test_half_precision_is_averaged_in_full_and_given_back_in_half() -> None:
    tokens = torch.full((64, 1, 1, 1), 1.0, dtype=torch.bfloat16)
    tokens[0] = 1024.0
    pooled = pool(VisualFeatures(tokens, (0.0,) * 64), (1, 1, 1))
    assert pooled.tokens.dtype == torch.bfloat16
    assert float(pooled.tokens) == pytest.approx(1087 / 64, rel=0.01)


def test_a_finer_grid_and_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"grid \(8, 4, 6\) cannot be pooled to \(9, 4, 6\)"):
        pool(features(), (9, 4, 6))
    with pytest.raises(ValueError, match=r"weights \(1, 4, 6\) do not fit"):
        pool(features(), (4, 4, 6), torch.ones(1, 4, 6))
