"""Dropping unchanged tokens: the rest keep their cells."""

from __future__ import annotations

import torch

from models.compression.drop import changes, drop_static, keep_highest
from models.reasoning.multimodal.visual import VisualFeatures, VisualTokens


def turned(*degrees: float) -> VisualFeatures:
    """One cell a frame, whose feature points to the given angles in turn."""
    angles = torch.tensor(degrees).deg2rad()
    tokens = torch.stack([angles.cos(), angles.sin()], -1).reshape(-1, 1, 1, 2)
    return VisualFeatures(tokens, tuple(float(i) for i in range(len(degrees))))


def still_but(*cells: tuple[int, int, int]) -> VisualFeatures:
    """A still picture of 4 frames of 3 x 3, where some cells change once."""
    torch.manual_seed(1)
    tokens = torch.randn(3, 3, 16).expand(4, 3, 3, 16).clone()
    for t, h, w in cells:
        tokens[t:, h, w] = torch.randn(16)
    return VisualFeatures(tokens, (0.0, 1.0, 2.0, 3.0), deepstack=(tokens * 2,))


def test_only_the_first_frame_and_what_changed_stays_with_its_cell() -> None:
    kept = drop_static(still_but((1, 0, 2), (3, 2, 1)), similarity=0.9)
    first = [[0, h, w] for h in range(3) for w in range(3)]
    assert kept.grid.tolist() == [*first, [1, 0, 2], [3, 2, 1]]
    assert kept.size == (4, 3, 3) and kept.times == (0.0, 1.0, 2.0, 3.0)
    given = still_but((1, 0, 2), (3, 2, 1))
    assert torch.equal(kept.tokens[-1], given.tokens[3, 2, 1])
    assert torch.equal(kept.deepstack[0], kept.tokens * 2)


def test_a_slow_drift_is_noticed_against_what_was_kept_only() -> None:
    drift = turned(0, 20, 40, 60, 80)
    similarity = float(torch.tensor(30.0).deg2rad().cos())
    kept = drop_static(drift, similarity)
    assert kept.grid[:, 0].tolist() == [0, 2, 4]
    assert drop_static(drift, similarity, against_kept=False).grid[:, 0].tolist() == [0]


def test_every_dropped_token_is_like_the_one_kept_in_its_cell_before() -> None:
    torch.manual_seed(2)
    steps = torch.randn(12, 2, 2, 8).mul(0.4).cumsum(0)
    given = VisualFeatures(steps, tuple(map(float, range(12))))
    kept = drop_static(given, similarity=0.8)
    assert 4 < len(kept) < 48
    held = {tuple(cell) for cell in kept.grid.tolist()}
    for t, h, w in VisualTokens.all_of(given).grid.tolist():
        last = max(step for step in range(t + 1) if (step, h, w) in held)
        assert torch.cosine_similarity(steps[t, h, w], steps[last, h, w], dim=0) > 0.8 or last == t


def test_change_is_one_minus_the_cosine_and_greatest_at_the_start() -> None:
    assert torch.allclose(
        changes(turned(0, 90, 90, 270)).flatten(), torch.tensor([2.0, 1.0, 0.0, 2.0]), atol=1e-6
    )


def test_the_highest_are_kept_in_order_and_ties_go_to_the_earlier() -> None:
    tokens = VisualTokens.all_of(turned(0, 1, 2, 3, 4))
    kept = keep_highest(tokens, torch.tensor([1.0, 3.0, 2.0, 3.0, 3.0]), 2)
    assert kept.grid[:, 0].tolist() == [1, 3]
    assert len(keep_highest(tokens, torch.zeros(5), 9)) == 5
