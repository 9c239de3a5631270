"""Foveated tokens: fine where the gaze rested, coarser with distance, under one budget.

The eye itself works so: how fine it sees falls with the angle from the gaze
(``models.gaze.cues.acuity``). Each frame's grid is cut in halves, always the cell that is
coarsest for what the eye would see there, until the budget is spent; each piece becomes the
mean of its tokens. Multi-resolution pooling around a gaze is old in image coding (Geisler and
Perry, 1998); doing it to a video model's tokens under a fixed budget is ours.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.gaze.cues import Rest, acuity, eccentricity, gaze_near
from models.gaze.geometry import NEON, FieldOfView
from models.reasoning.multimodal.visual import VisualFeatures, VisualTokens

UNWATCHED = 0.05
"""How fine a frame counts in which the gaze is not known, all over; acuity is 1 at the gaze."""


@dataclass(frozen=True, slots=True, eq=False)
class Foveated:
    """What is left of a segment's tokens.

    Attributes:
        tokens: in rising order of their cells. Each stands at the middle cell of its piece, on
            the grid of the full picture, so that rotary positions stay those of the picture.
        pieces: int64 ``(n, 5)``: frame, top, left, bottom, right in cells (ends excluded).
        weights: float32 ``(n,)``: how many tokens each is the mean of.
    """

    tokens: VisualTokens
    pieces: Tensor
    weights: Tensor


def foveate(
    features: VisualFeatures,
    rests: Sequence[Rest],
    count: int,
    view: FieldOfView = NEON,
) -> Foveated:
    """At most ``count`` tokens of ``features``, dense around the fixations of each frame's time.

    Frames whose gaze is not known share what budget the others leave; where ``count`` is below
    the number of frames, those with no gaze go first, then the least looked at.

    Raises:
        ValueError: ``count`` is below 1.
    """
    steps, height, width = features.tokens.shape[:3]
    detail = np.full((steps, height, width), UNWATCHED, np.float32)
    for step, time in enumerate(features.times):
        points = gaze_near(time, rests)
        if points:
            detail[step] = acuity(eccentricity(points, (height, width), view))
    return foveate_by(features, detail, count)


def foveate_by(features: VisualFeatures, detail: NDArray[np.float32], count: int) -> Foveated:
    """The same by any measure of the detail wanted.

    Args:
        detail: ``(T, H, W)``, above 0: how fine each cell is wanted, relative to the others.

    Raises:
        ValueError: ``count`` is below 1, or ``detail`` does not fit the features.
    """
    if count < 1:
        raise ValueError(f"at least one token must be kept, not {count}")
    if detail.shape != tuple(features.tokens.shape[:3]):
        raise ValueError(
            f"detail {detail.shape} does not fit features {tuple(features.tokens.shape[:3])}"
        )
    pieces = torch.tensor(_pieces(detail, count), dtype=torch.int64).reshape(-1, 5)
    size = tuple(features.tokens.shape[:3])
    middles = torch.stack(
        [pieces[:, 0], (pieces[:, 1] + pieces[:, 3]) // 2, (pieces[:, 2] + pieces[:, 4]) // 2],
        dim=1,
    )
    tokens = VisualTokens(
        tokens=_means(features.tokens, pieces),
        grid=middles,
        size=(size[0], size[1], size[2]),
        times=features.times,
        deepstack=tuple(_means(layer, pieces) for layer in features.deepstack),
    )
    areas = (pieces[:, 3] - pieces[:, 1]) * (pieces[:, 4] - pieces[:, 2])
    return Foveated(tokens, pieces, areas.float())


def _pieces(detail: NDArray[np.float32], count: int) -> list[tuple[int, int, int, int, int]]:
    """The pieces that a budget of ``count`` buys, ordered by frame, top and left."""
    steps, height, width = detail.shape
    wanted = sorted(range(steps), key=lambda step: -float(detail[step].max()))
    heap: list[tuple[float, tuple[int, int, int, int, int]]] = []
    done: list[tuple[int, int, int, int, int]] = []

    def add(piece: tuple[int, int, int, int, int]) -> None:
        step, top, left, bottom, right = piece
        if (bottom - top) * (right - left) == 1:
            done.append(piece)
            return
        finest = float(detail[step, top:bottom, left:right].max())
        # How many times its side is larger than the eye would resolve there.
        heapq.heappush(heap, (-max(bottom - top, right - left) * finest, piece))

    for step in wanted[:count]:
        add((step, 0, 0, height, width))
    while heap and len(heap) + len(done) < count:
        _, (step, top, left, bottom, right) = heapq.heappop(heap)
        if bottom - top >= right - left:
            middle = (top + bottom) // 2
            add((step, top, left, middle, right))
            add((step, middle, left, bottom, right))
        else:
            middle = (left + right) // 2
            add((step, top, left, bottom, middle))
            add((step, top, middle, bottom, right))
    # Ordered by the cells they will stand at, as tokens must be.
    found = done + [piece for _, piece in heap]
    return sorted(found, key=lambda p: (p[0], (p[1] + p[3]) // 2, (p[2] + p[4]) // 2))


def _means(layer: Tensor, pieces: Tensor) -> Tensor:
    """Mean of ``layer`` ``(T, H, W, D)`` over each piece, ``(n, D)``, by summed-area tables."""
    steps, height, width, depth = layer.shape
    sums = torch.zeros(steps, height + 1, width + 1, depth, dtype=torch.float64)
    sums[:, 1:, 1:] = layer.cpu().double().cumsum(1).cumsum(2)
    step, top, left, bottom, right = pieces.T
    total = (
        sums[step, bottom, right]
        - sums[step, top, right]
        - sums[step, bottom, left]
        + sums[step, top, left]
    )
    areas = ((bottom - top) * (right - left)).double()
    means: Tensor = total / areas[:, None]
    return means.to(layer)
