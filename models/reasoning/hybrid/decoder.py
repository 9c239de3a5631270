"""A decoder whose text tokens look into slow visual tokens that are never prefilled.

In some of its layers, text tokens attend to the uncompressed visual tokens too, and what they
find there is added to the layer's own attention through a gate (Slow-Fast Video MLLM, arXiv
2504.01328). The slow tokens are no part of the sequence: they make no queries, pass no layer,
and cost each text token as much as there are of them, and nothing besides.

As published, in every such layer

- a linear layer makes keys and values of the slow features, which first pass the layer's own
  input norm;
- the query is the layer's own, already rotated; slow keys are not rotated, for they stand
  nowhere in the sequence. A layer that normalises its queries and keys by head (Qwen3) normalises
  the slow keys by the same norm: without it they would be of another scale than the query;
- ``tanh(linear(what the layer's own attention found)) * tanh(strength)`` is the gate, one number
  a token; the strength begins at zero, so that an untrained hybrid is the plain decoder, bit by
  bit;
- the sum goes through the layer's own output projection.

Nothing of the decoder is copied or replaced: its attention goes through the library's attention
interface, and the chosen layers are told another function there. A pass without ``slow`` is the
plain decoder's.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from models.reasoning.attention import KeyValue, attend_past, choose_backend, merge

NAME = "onlooker-hybrid"
"""The attention function's name in the transformers registry."""


class SlowAttention(nn.Module):
    """What one hybrid layer has beyond a plain one.

    Args:
        size: width of the decoder.
        heads, key_heads, head_size: of the layer's own attention.
    """

    def __init__(self, size: int, heads: int, key_heads: int, head_size: int) -> None:
        super().__init__()
        self.key_heads, self.head_size = key_heads, head_size
        self.key_value = nn.Linear(size, 2 * key_heads * head_size)
        self.gate = nn.Linear(heads * head_size, 1)
        self.strength = nn.Parameter(torch.zeros(1))

    def begin_as(self, key: Any, value: Any) -> None:
        """Begin with the weights of the layer's own key and value projections."""
        shape = (self.key_heads, 2, self.head_size)
        with torch.no_grad():
            for number, own in enumerate((key, value)):
                weight = own.weight.view(self.key_heads, self.head_size, -1)
                self.key_value.weight.view(*shape, -1)[:, number] = weight
                bias = getattr(own, "bias", None)  # packed layers do not even have the name
                self.key_value.bias.view(shape)[:, number] = (
                    0 if bias is None else bias.view(self.key_heads, self.head_size)
                )

    def project(self, features: Tensor) -> KeyValue:
        """Of ``(batch, n, size)``, each ``(batch, n, key heads, head size)``."""
        # Head by head, the head's keys before its values.
        shape = (*features.shape[:-1], self.key_heads, 2, self.head_size)
        key, value = self.key_value(features).view(shape).unbind(-2)
        return key, value

    def forward(self, query: Tensor, found: Tensor, scale: float, look: Look, layer: int) -> Tensor:
        """``found`` with what the text tokens see among the slow ones added.

        Args:
            query: ``(batch, heads, n, head size)``, rotated.
            found: ``(batch, n, heads, head size)``, by the layer's own attention.
        """
        parts = look.parts.get(layer, ())
        if not parts:
            return found
        gate: Tensor = self.gate(found.flatten(2)).tanh() * self.strength.tanh()  # (batch, n, 1)
        if look.text is None:
            seen = gate[..., None] * _see(query, parts, look.present, scale)
            return found + seen.to(found.dtype)
        gate = gate * look.text[..., None]
        columns = look.text.any(0).nonzero().flatten()
        if not len(columns):
            return found
        seen = _see(query[:, :, columns], parts, look.present, scale)
        seen = gate[:, columns, :, None] * seen
        # The new weights may be in float32 where the decoder's are not.
        return found.index_add(1, columns, seen.to(found.dtype))


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What the text tokens of a forward pass may look into; given to it as ``slow``.

    Attributes:
        layers: the hybrid layers' weights, by their index.
        parts: for each of them, keys and values in one part or more, each of shape ``(batch,
            key heads, n, head size)``, where the batch may be 1 for all rows.
        present: bool ``(batch, n)``, false for padding, where keys come in one part; None
            for no padding. A row with nothing present sees nothing.
        text: bool ``(batch, new tokens)``, which of the pass's tokens are text; None for all.
    """

    layers: Mapping[int, SlowAttention]
    parts: Mapping[int, Sequence[KeyValue]]
    present: Tensor | None = None
    text: Tensor | None = None


class HybridDecoder:
    """Hybrid layers for a transformers model (Qwen2, Qwen3, Llama and what is built alike).

    The new weights are in ``layers``, apart from the model's own. The model computes as before
    until a pass is given ``slow``.

    Args:
        model: with a text decoder. Its chosen layers are told another attention function.
        layers: indices of the hybrid layers; see :func:`every`.

    Raises:
        ValueError: the model's layers are not of that kind, or an index is beyond them.
    """

    def __init__(self, model: Any, layers: Sequence[int]) -> None:
        self.model = model
        self.body: Any = model.get_decoder()
        blocks = getattr(self.body, "layers", ())
        self.layers: dict[int, SlowAttention] = {}
        for index in layers:
            if blocks and not 0 <= index < len(blocks):
                raise ValueError(f"layer {index} cannot be hybrid: the decoder has {len(blocks)}")
            block = blocks[index] if blocks else None
            own = getattr(block, "self_attn", None)
            if not all(hasattr(own, f"{part}_proj") for part in "qkvo") or not hasattr(
                block, "input_layernorm"
            ):
                raise ValueError(
                    f"a layer of {type(self.body).__name__} has no attention that slow tokens "
                    "could be added to: use a Llama, Qwen2 or Qwen3 decoder"
                )
            self.layers[index] = self._made(own)
            _tell(own)
        self.weights = nn.ModuleDict({str(i): layer for i, layer in self.layers.items()})
        """The new weights alone: their state is what is saved and loaded."""

    @staticmethod
    def _made(own: Any) -> SlowAttention:
        size, head_size = own.k_proj.weight.shape[1], own.head_dim
        key_heads = own.k_proj.weight.shape[0] // head_size
        heads = own.q_proj.weight.shape[0] // head_size
        made = SlowAttention(size, heads, key_heads, head_size).to(own.k_proj.weight)
        made.begin_as(own.k_proj, own.v_proj)
        return made

    def train_new_weights_only(self) -> None:
        """Gradients for the new weights and none for the model's own."""
        self.model.requires_grad_(False)
        self.weights.requires_grad_(True)

    def key_values(self, features: Tensor) -> dict[int, KeyValue]:
        """Keys and values of slow features ``(batch, n, size)``, for each hybrid layer
        ``(batch, key heads, n, head size)``."""
        made = {}
        for index, layer in self.layers.items():
            block = self.body.layers[index]
            key, value = layer.project(block.input_layernorm(features))
            if hasattr(block.self_attn, "k_norm"):
                key = block.self_attn.k_norm(key)
            made[index] = (key.transpose(1, 2), value.transpose(1, 2))
        return made

    def look(
        self, features: Tensor, present: Tensor | None = None, text: Tensor | None = None
    ) -> Look:
        """Look into features ``(batch, n, size)``; ``present`` and ``text`` as in :class:`Look`."""
        parts = {index: (both,) for index, both in self.key_values(features).items()}
        return Look(self.layers, parts, present, text)


def every(count: int, step: int = 8, first: int = 0, stop: int | None = None) -> list[int]:
    """Each ``step``-th of ``count`` layers: as published, 0, 8, 16 and 24 of 28."""
    return list(range(first, count if stop is None else min(stop, count), step))


def hybrid_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    slow: Look | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """The attention function of the chosen layers: the one that the decoder uses otherwise, and
    what is seen among the slow tokens."""
    found, weights = _plain(module)(module, query, key, value, attention_mask, **kwargs)
    layer = None if slow is None else slow.layers.get(module.layer_idx)
    if slow is None or layer is None:
        return found, weights
    scale = kwargs.get("scaling") or query.shape[-1] ** -0.5
    return layer(query, found, scale, slow, module.layer_idx), weights


def _tell(own: Any) -> None:
    """Have an attention module call :func:`hybrid_attention`."""
    if own.config._attn_implementation == NAME:
        return
    # The module reads the function's name from a configuration that all layers share. The rest
    # of the copy is the same, and the original is asked which function is used otherwise.
    mine = copy.copy(own.config)
    mine._attn_implementation = NAME
    mine.__dict__["otherwise"] = own.config
    own.config = mine


def _plain(module: Any) -> Callable[..., tuple[Tensor, Tensor | None]]:
    # "eager" is in no registry: each model's file has its own.
    eager = getattr(sys.modules[type(module).__module__], "eager_attention_forward", None)
    function: Callable[..., tuple[Tensor, Tensor | None]] = ALL_ATTENTION_FUNCTIONS.get_interface(
        module.config.otherwise._attn_implementation, eager
    )
    return function


def _see(query: Tensor, parts: Sequence[KeyValue], present: Tensor | None, scale: float) -> Tensor:
    """Attention of ``query`` to all parts, ``(batch, n, heads, head size)``."""
    if present is not None:
        return _see_present(query, *parts[0], present, scale).transpose(1, 2)
    backend = choose_backend(query.device, query.dtype)
    seen = merge([attend_past(query, key, value, scale, backend) for key, value in parts])
    return seen.transpose(1, 2)


def _see_present(
    query: Tensor, key: Tensor, value: Tensor, present: Tensor, scale: float
) -> Tensor:
    some = present.any(1)
    # A row that sees nothing would get no number at all out of the softmax.
    mask = (present | ~some[:, None])[:, None, None]
    batch, heads, length, size = query.shape
    rows = query.reshape(batch, key.shape[1], heads // key.shape[1] * length, size)
    seen = functional.scaled_dot_product_attention(rows, key, value, mask, scale=scale)
    return seen.reshape(query.shape) * some[:, None, None, None]


AttentionInterface.register(NAME, hybrid_attention)
