"""Which passages a question is about, by the model's own attention.

No training and no second model: the question's tokens attend to the passages in the context
anyway, and those it is about get more of that attention. Raw attention says little, though:
most of it goes to the first tokens (attention sinks, Xiao et al. 2024, arXiv 2309.17453) and
to the latest. What counts is how much more a passage gets from this question than from one
that asks for nothing in particular: the log-ratio of the two, averaged over heads and
layers. On SmolLM2-135M that finds the passage asked for where raw attention finds nothing
(tests/bench/relevance.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from models.reasoning.context import Fork, Tokens


def attention_shares(
    fork: Fork, question: Tokens | Sequence[int], spans: Sequence[tuple[int, int]]
) -> Tensor:
    """How a question's attention to the past is spread over parts of it.

    Args:
        fork: a fork; a branch of it is used and thrown away.
        spans: ``(start, stop)`` of each part in the past, in rising order and not
            overlapping; what lies between them counts for none.

    Returns:
        float32 ``(layers, heads, spans)`` on the CPU: share of the attention to the whole
        past, mean over the question's tokens.
    """
    branch = fork.fork()
    given = Tokens.of(question)
    part = torch.full((branch.past_length,), len(spans))
    for number, (start, stop) in enumerate(spans):
        part[start:stop] = number
    sums: dict[int, Tensor] = {}

    def observe(layer: int, query: Tensor, scale: float) -> None:
        keys = branch.past_keys(layer)
        groups = query.shape[1] // keys[0].shape[1]
        grouped = query[0].reshape(-1, groups, *query.shape[2:])
        heads = []
        # One key-value head at a time: scores for all would need memory for the whole past.
        for number, rows in enumerate(grouped):
            scores = torch.cat([rows @ k[0, number].mT for k in keys], -1).float() * scale
            share = scores.softmax(-1).sum(1)
            total = share.new_zeros(groups, len(spans) + 1)
            heads.append(total.index_add_(1, part.to(share.device), share)[:, :-1])
        found = torch.cat(heads).cpu()
        sums[layer] = sums[layer] + found if layer in sums else found

    branch.append(given, observer=observe)
    return torch.stack([sums[layer] for layer in sorted(sums)]) / len(given)


def relevance(
    fork: Fork,
    question: Tokens | Sequence[int],
    neutral: Tokens | Sequence[int],
    spans: Sequence[tuple[int, int]],
) -> list[float]:
    """How much more each part of the past matters to ``question`` than to ``neutral``.

    Args:
        fork: a fork of the context; it is left as it is.
        question: the question's tokens as they will be asked, with its template.
        neutral: an empty question ("What is it?") in the same template.
        spans: see :func:`attention_shares`.

    Returns:
        For each span the mean over layers and heads of the log-ratio of its two shares of
        attention: above 0 where the question draws attention to it.
    """
    if not spans:
        return []
    asked, idle = (
        attention_shares(fork, tokens, spans).clamp(min=1e-12).log()
        for tokens in (question, neutral)
    )
    means: list[float] = (asked - idle).mean((0, 1)).tolist()
    return means
