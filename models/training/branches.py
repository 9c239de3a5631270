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
        self.before = _hidden(self.text)
        self.own = _hidden(longest)


def _hidden(count: int) -> Tensor:
    """What is added to the scores of ``count`` tokens so that none sees a later one."""
    return torch.full((count, count), -torch.inf).triu(1)


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

    Heads that share keys are folded into the query's length, and all branches look into the text in
    one product, so the text's keys are never repeated. Plain products, since the fused attention of
    torch 2.13 on a CPU takes most of a training step in bfloat16.
    """
    assert branching is not None
    _, heads, _, size = query.shape
    shared, first = key.shape[1], branching.text
    groups = heads // shared
    count, longest = branching.padded.shape
    asked = (query[0] * (size**-0.5 if scaling is None else scaling)).view(shared, groups, -1, size)
    keys, values = key[0], value[0]

    def padded(states: Tensor, begin: int = first) -> Tensor:
        """``(..., tokens, n)`` of the branches as ``(..., branches, longest, n)``."""
        picked = states[..., begin:, :].index_select(-2, branching.padded.flatten())
        return picked.view(*states.shape[:-2], count, longest, states.shape[-1])

    scores = asked[:, :, :first].reshape(shared, -1, size) @ keys[:, :first].transpose(1, 2)
    scores = scores.view(shared, groups, first, first) + branching.before.to(scores.dtype)
    text = scores.softmax(-1).view(shared, -1, first) @ values[:, :first]

    rows = asked[:, :, first:].reshape(shared, -1, size)
    far = rows @ keys[:, :first].transpose(1, 2)
    near = padded(asked).transpose(1, 2).reshape(shared * count, -1, size)
    near = near @ padded(keys).flatten(0, 1).transpose(1, 2)
    near = near.view(shared, count, groups, longest, longest).transpose(1, 2)
    near = (near + branching.own.to(near.dtype)).flatten(2, 3)
    near = near.index_select(2, branching.places).flatten(1, 2)
    seen = torch.cat([far, near], -1).softmax(-1)
    own = padded(seen[..., first:].reshape(shared, groups, -1, longest), 0)
    own = own.transpose(1, 2).reshape(shared * count, -1, longest) @ padded(values).flatten(0, 1)
    own = own.view(shared, count, groups, longest, size).transpose(1, 2).flatten(2, 3)
    own = own.index_select(2, branching.places).flatten(0, 1)
    far = (seen[..., :first] @ values[:, :first]).view(heads, -1, size)
    return torch.cat([text.view(heads, first, size), far + own], 1).transpose(0, 1)[None], None


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
    """Mean over branches, weighted, of their answers' cross entropy, over the root of its tokens.

    Most tokens of an answer follow from those before. A mean over tokens would make what decides
    between long answers count little, a sum would drown the short ones.
    """
    logits, wanted, numbers = answer_logits(model, tree)
    lost = nn.functional.cross_entropy(logits.float(), wanted, reduction="none")
    sums = torch.zeros(len(tree.branches)).index_add(0, numbers, lost)
    shares = torch.tensor([b.weight / b.answer**0.5 for b in tree.branches]) / tree.weight
    return (sums * shares).sum()
