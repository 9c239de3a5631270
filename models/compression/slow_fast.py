"""Slow-fast compression within budgets.

Of each segment two sets of visual tokens are made: *fast* ones, a coarse summary that stays
in the context for good, and *slow* ones, the detail that is kept aside until a question needs
it (Slow-Fast Video MLLM, arXiv 2504.01328). How coarse, follows from the budgets, which are
stated in tokens a minute.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from models.compression.drop import changes, drop_static, keep_highest
from models.compression.pool import pool, sample_frames
from models.reasoning.multimodal.visual import VisualFeatures, VisualTokens


def coarser(size: tuple[int, int, int], count: int, frames: int) -> tuple[int, int, int]:
    """The grid (T, H, W) of at most ``count`` cells that a grid of ``size`` is pooled to.

    Time gives way first, down to ``frames`` frames; then the picture, in both directions
    alike; and where a single cell a frame is still too much, time again.

    Raises:
        ValueError: ``count`` is below 1.
    """
    if count < 1:
        raise ValueError("a grid has at least one cell")
    steps, height, width = size
    least = max(1, min(steps, frames))
    steps = min(max(count // (height * width), least), steps, count)
    return (steps, *_smaller(height, width, count // steps))


def _smaller(height: int, width: int, cells: int) -> tuple[int, int]:
    """A picture of at most ``cells`` cells, of about the same shape."""
    if cells >= height * width:
        return height, width
    scale = math.sqrt(cells / (height * width))
    tall, wide = height * scale, width * scale
    near = [(h, w) for h in (int(tall), math.ceil(tall)) for w in (int(wide), math.ceil(wide))]
    strips = [(min(height, cells), 1), (1, min(width, cells))]

    def fit(size: tuple[int, int]) -> tuple[int, float]:
        h, w = size
        return h * w, -abs(math.log(h * wide / (w * tall)))

    return max([s for s in near if 0 < s[0] * s[1] <= cells] or strips, key=fit)


@dataclass(frozen=True, slots=True)
class SlowFast:
    """The compressor of a stream.

    Attributes:
        fast_tokens_per_minute, slow_tokens_per_minute: the most of each; a segment gets its
            share by its length, rounded down.
        sampling_stride: of the frames, each how-manyeth makes fast tokens.
        fast_frames_per_minute: what time is not pooled below while the picture can still
            give way. Published: 16 for 64 frames, taken here at one frame a second.
        static_similarity: slow tokens more alike than this (a cosine) to what stood in their
            cell before are dropped even where the budget would hold them; None keeps them.
            Published: 0.5 for Qwen2.5-VL.
    """

    fast_tokens_per_minute: float = 240
    slow_tokens_per_minute: float = 4800
    sampling_stride: int = 1
    fast_frames_per_minute: float = 15
    static_similarity: float | None = None

    def __post_init__(self) -> None:
        if min(self.fast_tokens_per_minute, self.slow_tokens_per_minute) < 0:
            raise ValueError("token budgets cannot be negative")
        if self.sampling_stride < 1:
            raise ValueError("the sampling stride is 1 or more")

    def fast(
        self, features: VisualFeatures, seconds: float, weights: Tensor | None = None
    ) -> VisualTokens:
        """The few tokens that stay in the context.

        Args:
            seconds: length of the segment.
            weights: ``(T, H, W)``, above 0: how much each token counts in the means (where
                the gaze rested, say). Not together with a sampling stride above 1.
        """
        count = int(self.fast_tokens_per_minute * seconds / 60)
        if not count or not features.tokens.numel():
            return keep_highest(VisualTokens.all_of(features), features.tokens.new_zeros(0), 0)
        frames = math.ceil(self.fast_frames_per_minute * seconds / 60)
        if self.sampling_stride > 1:
            if weights is not None:
                raise ValueError("sampled frames cannot be weighted: use a sampling stride of 1")
            features = sample_frames(features, self.sampling_stride, frames)
        steps, height, width = features.tokens.shape[:3]
        size = coarser((steps, height, width), count, frames)
        return VisualTokens.all_of(pool(features, size, weights))

    def slow(
        self, features: VisualFeatures, seconds: float, weights: Tensor | None = None
    ) -> VisualTokens:
        """The tokens kept aside: all of them, where the budget holds them; else those that
        changed most, with the first frame taking at most half.

        Args:
            seconds: length of the segment.
            weights: ``(T, H, W)``, above 0: by how much each token's change is multiplied.
        """
        count = int(self.slow_tokens_per_minute * seconds / 60)
        steps, height, width = features.tokens.shape[:3]
        if steps and count and steps * height * width > count and 2 * height * width > count:
            size = (steps, *_smaller(height, width, max(1, count // (2 if steps > 1 else 1))))
            if weights is not None:
                weights = _pooled(weights, size)
            features = pool(features, size)
        scores = changes(features)
        if weights is not None:
            scores = scores * weights.to(scores)
        if self.static_similarity is None:
            tokens = VisualTokens.all_of(features)
            scores = scores.flatten()
        else:
            tokens = drop_static(features, self.static_similarity)
            scores = scores[tuple(tokens.grid.to(scores.device).T)]
        return keep_highest(tokens, scores, count)


def _pooled(weights: Tensor, size: tuple[int, int, int]) -> Tensor:
    grid = VisualFeatures(tokens=weights[..., None], times=(0.0,) * len(weights))
    return pool(grid, size).tokens[..., 0]
