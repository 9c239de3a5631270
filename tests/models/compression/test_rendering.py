"""Compressed tokens in a decoder's run: those dropped leave their neighbours where they were."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from models.compression.drop import changes, keep_highest
from models.compression.slow_fast import SlowFast
from models.reasoning.context import StreamingContext, Tokens
from models.reasoning.multimodal.family import Clip
from models.reasoning.multimodal.qwen import Qwen3VL, Qwen25VL
from models.reasoning.multimodal.visual import VisualFeatures, VisualTokens
from tests.models.reasoning.multimodal.tiny import frames, tiny
from tests.models.reasoning.test_context import one_thread as one_thread

FRAMES = 8


@pytest.fixture(params=[("qwen3_vl", Qwen3VL), ("qwen2_5_vl", Qwen25VL)], scope="module")
def family(request: pytest.FixtureRequest) -> Any:
    kind, adapter = request.param
    made = tiny(kind)
    return adapter(made.model, made.processor, clip_frames=FRAMES)


def watched(family: Any) -> VisualFeatures:
    features: VisualFeatures = family.encode(frames(FRAMES, 1), [0.5 * n for n in range(FRAMES)])
    return features


def rendered(family: Any, visual: VisualTokens) -> Tokens:
    run: Tokens = family.render(["what is seen in the picture? ", Clip(visual), "a cat\n"])
    return run


def test_the_positions_of_kept_tokens_are_those_they_had_among_all(family: Any) -> None:
    features = watched(family)
    everything = VisualTokens.all_of(features)
    scores = changes(features)
    scores[:, 0, 0] = 3  # at least one of each frame
    few = keep_highest(everything, scores.flatten(), len(everything) // 3)
    whole, run = rendered(family, everything), rendered(family, few)
    assert whole.embeds is not None and run.embeds is not None
    assert whole.positions is not None and run.positions is not None
    cells = {tuple(cell) for cell in few.grid.tolist()}
    kept = torch.ones(len(whole), dtype=torch.bool)
    seen = (whole.embeds[:, None] == everything.tokens).all(-1).any(-1).nonzero().flatten()
    assert len(seen) == len(everything)
    for place, cell in zip(seen, everything.grid.tolist(), strict=True):
        kept[place] = tuple(cell) in cells
    assert torch.equal(run.embeds, whole.embeds[kept])
    assert torch.equal(run.positions, whole.positions[:, kept])
    assert run.next_position == whole.next_position
    for layer, all_of_it in zip(run.deepstack, whole.deepstack, strict=True):
        assert torch.equal(layer, all_of_it[kept[seen]])


def test_a_budget_that_holds_everything_changes_nothing(family: Any) -> None:
    features = watched(family)
    generous = SlowFast(1e6, 1e6)
    expected = logits(family, VisualTokens.all_of(features))
    for kept in (generous.fast(features, 4.0), generous.slow(features, 4.0)):
        assert torch.equal(logits(family, kept), expected)


def test_fast_and_slow_tokens_go_through_the_decoder_within_their_budgets(family: Any) -> None:
    features = watched(family)
    compressor = SlowFast(fast_tokens_per_minute=6 * 15, slow_tokens_per_minute=40 * 15)
    fast, slow = compressor.fast(features, 4.0), compressor.slow(features, 4.0)
    everything = VisualTokens.all_of(features)
    assert 3 <= len(fast) <= 6 and 30 <= len(slow) <= 40 < len(everything)
    full = logits(family, everything)
    for kept in (fast, slow):
        assert torch.isfinite(logits(family, kept)).all()
        assert not torch.allclose(logits(family, kept), full, atol=1e-3)


def logits(family: Any, visual: VisualTokens) -> torch.Tensor:
    context = StreamingContext(family.model, 512)
    context.append(rendered(family, visual))
    return context.fork().append(family.render(["who says hello?"]))
