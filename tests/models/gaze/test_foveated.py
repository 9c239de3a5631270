"""Foveated tokens: an exact budget, nothing left out, finest where the gaze rested."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.compression.foveated import foveate, foveate_by
from models.gaze.fixations import Fixation
from models.reasoning.multimodal.visual import VisualFeatures


def features(steps, height, width, depth=4, deep=0, seed=0):
    torch.manual_seed(seed)
    shape = (steps, height, width, depth)
    return VisualFeatures(
        torch.randn(shape), tuple(float(t) for t in range(steps)), (torch.randn(shape),) * deep
    )


@settings(max_examples=60, deadline=None)
@given(
    steps=st.integers(1, 4),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    count=st.integers(1, 400),
    seed=st.integers(0, 99),
)
def test_the_budget_is_met_exactly_and_every_cell_is_in_one_piece(
    steps, height, width, count, seed
):
    given_features = features(steps, height, width, deep=1, seed=seed)
    detail = np.random.default_rng(seed).uniform(0.01, 1, (steps, height, width))
    found = foveate_by(given_features, detail.astype(np.float32), count)
    assert len(found.tokens) == min(count, steps * height * width)
    times_covered = torch.zeros(steps, height, width)
    for piece, token, deep, weight, cell in zip(
        found.pieces,
        found.tokens.tokens,
        found.tokens.deepstack[0],
        found.weights,
        found.tokens.grid,
        strict=True,
    ):
        step, top, left, bottom, right = piece.tolist()
        times_covered[step, top:bottom, left:right] += 1
        inside = given_features.tokens[step, top:bottom, left:right].reshape(-1, 4)
        assert torch.allclose(token, inside.mean(0), atol=1e-5)
        inside = given_features.deepstack[0][step, top:bottom, left:right].reshape(-1, 4)
        assert torch.allclose(deep, inside.mean(0), atol=1e-5)
        assert weight == len(inside)
        assert cell[0] == step and top <= cell[1] < bottom and left <= cell[2] < right
    covered = times_covered.flatten(1).max(1).values > 0
    assert (times_covered[covered] == 1).all()
    assert covered.sum() == min(count, steps)
    order = found.tokens.grid @ torch.tensor([10_000, 100, 1])
    assert (order.diff() > 0).all()


def test_what_was_looked_at_keeps_its_detail_and_the_rest_is_coarse():
    given_features = features(1, 30, 40)
    found = foveate(given_features, [Fixation(0, 1, 0.25, 0.5)], 300)
    row, column = 15, 10
    at_gaze = [
        (p[3] - p[1]) * (p[4] - p[2])
        for p in found.pieces.tolist()
        if p[1] <= row < p[3] and p[2] <= column < p[4]
    ]
    far = [
        (p[3] - p[1]) * (p[4] - p[2])
        for p in found.pieces.tolist()
        if p[1] <= 28 < p[3] and p[2] <= 38 < p[4]
    ]
    assert at_gaze == [1] and far[0] >= 8
    assert found.tokens.size == (1, 30, 40)


def test_frames_without_gaze_get_what_is_left():
    given_features = features(3, 8, 8)
    found = foveate(given_features, [Fixation(1.0, 1.2, 0.5, 0.5)], 60)
    counts = torch.bincount(found.pieces[:, 0], minlength=3).tolist()
    assert counts[1] > 1.5 * max(counts[0], counts[2])
    assert min(counts) >= 1 and sum(counts) == 60
    assert foveate(given_features, [Fixation(1.0, 1.2, 0.5, 0.5)], 1).pieces[0, 0] == 1


def test_impossible_budgets_and_shapes_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        foveate(features(1, 2, 2), [], 0)
    with pytest.raises(ValueError, match="does not fit"):
        foveate_by(features(1, 2, 2), np.ones((1, 3, 2), np.float32), 3)
