"""Dropping what did not change from frame to frame.

Differential Token Drop of TimeChat-Online (arXiv 2504.17343): a token whose features are
like those of the same cell in the frame before says nothing new and is left out; those that
stay keep their cells on the grid, and with them their rotary positions. The first frame is
kept whole, so that a segment can be understood by itself.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models.reasoning.multimodal.visual import VisualFeatures, VisualTokens


def changes(features: VisualFeatures) -> Tensor:
    """How much each token differs from the same cell of the frame before.

    Returns:
        float32 ``(T, H, W)``: one minus the cosine of the two, from 0 to 2; 2 throughout the
        first frame.
    """
    tokens = features.tokens.float()
    change = torch.full(tokens.shape[:3], 2.0, device=tokens.device)
    change[1:] = 1 - F.cosine_similarity(tokens[1:], tokens[:-1], dim=-1)
    return change


def drop_static(
    features: VisualFeatures, similarity: float, against_kept: bool = True
) -> VisualTokens:
    """The tokens less alike than ``similarity`` (a cosine) to what stood there before.

    Args:
        against_kept: compare with the last token kept in that cell, so that a slow drift is
            noticed once it has gone far enough; False compares with the frame before, as
            published.
    """
    tokens = features.tokens.float()
    steps = len(tokens)
    kept = torch.ones(tokens.shape[:3], dtype=torch.bool, device=tokens.device)
    before = tokens[0] if steps else tokens
    for step in range(1, steps):
        kept[step] = F.cosine_similarity(before, tokens[step], dim=-1) <= similarity
        if against_kept:
            before = torch.where(kept[step, ..., None], tokens[step], before)
        else:
            before = tokens[step]
    return VisualTokens.all_of(features).keep(kept.flatten())


def keep_highest(tokens: VisualTokens, scores: Tensor, count: int) -> VisualTokens:
    """The ``count`` tokens of the highest ``scores`` ``(n,)``, in the order they came in; of
    equal scores the earlier."""
    kept = torch.zeros(len(tokens), dtype=torch.bool)
    order = scores.float().cpu().argsort(descending=True, stable=True)
    kept[order[:count]] = True
    return tokens.keep(kept)
