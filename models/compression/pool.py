"""Fewer frames, fewer cells: the steps that make fast tokens.

The three steps of Slow-Fast Video MLLM (arXiv 2504.01328), in its order: sample frames,
average neighbouring frames, average neighbouring cells. Each takes visual features on a grid
and gives features on a coarser one, as if the video had been slower or smaller, so that the
positions of what comes out are those of a smaller video, which the models know.

Two things differ from the published code: what does not divide evenly is spread over all
cells (adaptive pooling) where the published code drops the remainder; and an average may be
weighted, so that what was looked at counts for more. Where sizes divide and no weights are
given the results are the same.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from models.reasoning.multimodal.visual import VisualFeatures


def sample_frames(features: VisualFeatures, stride: int, least: int = 16) -> VisualFeatures:
    """Every ``stride``-th frame, but no fewer than ``least`` (or all, where there are not so
    many), evenly spread."""
    steps = len(features.tokens)
    count = max(steps // stride, min(least, steps))
    if count == steps:
        return features
    chosen = torch.tensor([i * steps // count for i in range(count)])
    return VisualFeatures(
        tokens=features.tokens[chosen],
        times=tuple(features.times[i] for i in chosen),
        deepstack=tuple(layer[chosen] for layer in features.deepstack),
    )


def pool_time(
    features: VisualFeatures, stride: int, least: int = 16, weights: Tensor | None = None
) -> VisualFeatures:
    """Means over ``stride`` neighbouring frames; no fewer than ``least`` frames come out (or
    as many as went in). The time of a mean is the mean of its times.

    Args:
        weights: ``(T, H, W)``, above 0; see :func:`pool`.
    """
    steps, height, width = features.tokens.shape[:3]
    count = max(-(-steps // stride), min(least, steps))
    return pool(features, (count, height, width), weights)


def pool_space(
    features: VisualFeatures, stride: int, weights: Tensor | None = None
) -> VisualFeatures:
    """Means over ``stride`` x ``stride`` cells of each frame.

    Args:
        weights: ``(T, H, W)``, above 0; see :func:`pool`.
    """
    steps, height, width = features.tokens.shape[:3]
    return pool(features, (steps, -(-height // stride), -(-width // stride)), weights)


def pool(
    features: VisualFeatures, size: tuple[int, int, int], weights: Tensor | None = None
) -> VisualFeatures:
    """Means over the cells of a coarser grid of ``size`` (T, H, W).

    Args:
        weights: ``(T, H, W)``, above 0: how much each cell counts in its mean; all alike
            by default.

    Raises:
        ValueError: the grid asked for is finer than the one there is, or the weights do not
            fit it.
    """
    given = tuple(features.tokens.shape[:3])
    if any(not 0 < s <= g for s, g in zip(size, given, strict=True)):
        raise ValueError(f"features on a grid {given} cannot be pooled to {size}")
    if weights is not None and tuple(weights.shape) != given:
        raise ValueError(f"weights {tuple(weights.shape)} do not fit features on a grid {given}")
    if size == given:
        return features

    def mean(layer: Tensor) -> Tensor:
        values = layer.float().permute(3, 0, 1, 2)
        if weights is None:
            pooled = F.adaptive_avg_pool3d(values, size)
        else:
            share = weights.to(values).unsqueeze(0)
            pooled = F.adaptive_avg_pool3d(values * share, size)
            pooled = pooled / F.adaptive_avg_pool3d(share, size)
        return pooled.permute(1, 2, 3, 0).to(layer.dtype)

    times = torch.tensor(features.times, dtype=torch.float64)
    return replace(
        features,
        tokens=mean(features.tokens),
        times=tuple(F.adaptive_avg_pool1d(times[None, None], size[0]).flatten().tolist()),
        deepstack=tuple(mean(layer) for layer in features.deepstack),
    )
