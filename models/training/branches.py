"""Many questions about one text in one pass.

The text's tokens go through the decoder once. Each question, with its answer, is a branch: its
positions go on where the text ends, and it sees the text and itself, not the other branches. So
it costs what its own tokens cost, and what is computed is what would be computed for the text and
that question alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

NAME = "onlooker-branches"
"""The attention's name in the transformers registry."""


@dataclass(frozen=True, slots=True)
class Branch:
    """Tokens of a question and its answer; ``answer`` of them, at the end, are the answer, its
    end mark included. ``weight`` is how much its loss counts."""

    ids: tuple[int, ...]
    answer: int
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Tree:
    """A text and its branches, at least one of each."""

    text: tuple[int, ...]
    branches: tuple[Branch, ...]

    @property
    def weight(self) -> float:
        return sum(branch.weight for branch in self.branches)

    def __len__(self) -> int:
        return len(self.text) + sum(len(branch.ids) for branch in self.branches)


class Layout:
    """Where the tokens of a tree stand in one row, and what they see."""

    def __init__(self, tree: Tree) -> None:
        lengths = torch.tensor([len(branch.ids) for branch in tree.branches])
        self.text = len(tree.text)
        self.ids = torch.tensor([*tree.text, *(i for b in tree.branches for i in b.ids)])[None]
        own = torch.cat([torch.arange(int(n)) for n in lengths])
        self.positions = torch.cat([torch.arange(self.text), self.text + own])[None]
        longest = int(lengths.max())
        # Place of each branch token in rows padded at the right, and the way back.
        self.places = torch.arange(len(lengths)).repeat_interleave(lengths) * longest + own
        firsts = lengths.cumsum(0) - lengths
        lasts = firsts + lengths - 1
        self.padded = (firsts[:, None] + torch.arange(longest)).minimum(lasts[:, None])
        seen = torch.ones(longest, longest, dtype=torch.bool).tril()
        whole = torch.ones(longest, self.text, dtype=torch.bool)
        self.mask = torch.cat([whole, seen], 1)


def branching_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    branching: Layout | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention of transformers' interface over a :class:`Layout`, given as ``branching``.

    Heads that share keys are folded into the query's length, so keys are never repeated.
    """
    assert branching is not None
    _, heads, _, size = query.shape
    shared = key.shape[1]
    groups, first = heads // shared, branching.text
    attend = nn.functional.scaled_dot_product_attention
    text = attend(
        query[:, :, :first],
        key[:, :, :first].repeat_interleave(groups, 1),
        value[:, :, :first].repeat_interleave(groups, 1),
        is_causal=True,
        scale=scaling,
    )
    count, longest = branching.padded.shape

    def padded(states: Tensor) -> Tensor:
        """``(1, h, tokens, size)`` of the branches as ``(branches, h, longest, size)``."""
        picked = states[0, :, first:].index_select(1, branching.padded.flatten())
        return picked.view(-1, count, longest, size).transpose(0, 1)

    def whole(states: Tensor) -> Tensor:
        return torch.cat([states[:, :, :first].expand(count, -1, -1, -1), padded(states)], 2)

    folded = padded(query).reshape(count, shared, groups * longest, size)
    mask = branching.mask.repeat(groups, 1)
    out = attend(folded, whole(key), whole(value), attn_mask=mask, scale=scaling)
    rows = out.view(count, heads, longest, size).transpose(1, 2).reshape(-1, heads, size)
    branches = rows.index_select(0, branching.places)[None]
    return torch.cat([text.transpose(1, 2), branches], 1).contiguous(), None


AttentionInterface.register(NAME, branching_attention)


def answer_logits(model: Any, tree: Tree) -> tuple[Tensor, Tensor, Tensor]:
    """Logits where the answers' tokens are foretold.

    Args:
        model: a transformers decoder with its attention set to :data:`NAME`.

    Returns:
        Logits ``(n, vocabulary)`` in the model's type, the tokens that follow ``(n,)``, and the
        number of each one's branch ``(n,)``.
    """
    layout = Layout(tree)
    # A mask of four dimensions is handed on as it is; the layout is what is looked at.
    hidden = model.get_decoder()(
        input_ids=layout.ids,
        position_ids=layout.positions,
        attention_mask=torch.ones(1, 1, 1, 1, dtype=torch.bool),
        use_cache=False,
        branching=layout,
    ).last_hidden_state[0]
    at = len(tree.text)
    places: list[int] = []
    numbers: list[int] = []
    for number, branch in enumerate(tree.branches):
        at += len(branch.ids)
        places += range(at - branch.answer, at)
        numbers += [number] * branch.answer
    where = torch.tensor(places)
    logits: Tensor = model.get_output_embeddings()(hidden[where - 1])
    return logits, layout.ids[0, where], torch.tensor(numbers)


def loss(model: Any, tree: Tree) -> Tensor:
    """Mean over branches of their answers' cross entropy a token, weighted."""
    logits, wanted, numbers = answer_logits(model, tree)
    lost = nn.functional.cross_entropy(logits.float(), wanted, reduction="none")
    sums = torch.zeros(len(tree.branches)).index_add(0, numbers, lost)
    shares = torch.tensor([b.weight / b.answer for b in tree.branches]) / tree.weight
    return (sums * shares).sum()
