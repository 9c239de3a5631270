"""Relevance is the model's own attention, against that of an empty question."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from models.reasoning.attention import NAME
from models.reasoning.context import StreamingContext
from models.reasoning.relevance import attention_shares, relevance
from tests.models.reasoning.test_context import FAMILIES, numbers, tiny
from tests.models.reasoning.test_context import one_thread as one_thread


@pytest.fixture(params=FAMILIES, scope="module")
def model(request: pytest.FixtureRequest) -> Any:
    return tiny(request.param)


SPANS = [(2, 9), (9, 14), (20, 30)]


@pytest.mark.parametrize("chunk", [3, 64])
def test_shares_are_those_of_the_library_s_own_attention(model: Any, chunk: int) -> None:
    past, question = numbers(30, 1), numbers(7, 2)
    context = StreamingContext(model, 64, chunk=chunk)
    context.append(past)
    shares = attention_shares(context.fork(), question, SPANS)
    model.set_attn_implementation("eager")
    try:
        with torch.inference_mode():
            weights = model(torch.tensor([past + question]), output_attentions=True).attentions
    finally:
        model.set_attn_implementation(NAME)
    for layer, given in enumerate(weights):
        to_past = given[0, :, 30:, :30]
        to_past = to_past / to_past.sum(-1, keepdim=True)
        for number, (start, stop) in enumerate(SPANS):
            expected = to_past[..., start:stop].sum(-1).mean(-1)
            assert torch.allclose(shares[layer, :, number], expected, atol=1e-5)


def test_a_question_is_more_relevant_than_itself_to_nothing(model: Any) -> None:
    context = StreamingContext(model, 64)
    context.append(numbers(30, 1))
    fork = context.fork()
    assert relevance(fork, [5, 6], [5, 6], SPANS) == [0.0, 0.0, 0.0]
    assert relevance(fork, [5, 6], [7], []) == []
    asked = relevance(fork, [5, 6], [7, 8], SPANS)
    back = relevance(fork, [7, 8], [5, 6], SPANS)
    assert asked == pytest.approx([-value for value in back])
    assert any(abs(value) > 1e-3 for value in asked) and all(map(math.isfinite, asked))
    assert fork.length == 30, "the fork is left as it was"
