"""Attention over a past in several parts, without ever joining them.

A fork of the streaming context sees ``[shared past ; own tail]``, which lie in different
buffers. Concatenating them would copy the whole past at each layer of each token. Softmax
attention can be computed part by part instead, and the parts merged exactly by their
log-sum-exp (Milakov & Gimelshein 2018, arXiv 1805.02867; the "split KV" of Flash-Decoding,
Dao et al. 2023).

It also settles the mask. Every earlier part is visible to every query, so it needs no mask
at all; only the newest tokens among themselves are causal, and that block is square. (SDPA's
``is_causal`` aligns to the upper left for fewer queries than keys, so it would be wrong on
the whole.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward

NAME = "onlooker"
"""The attention implementation's name in the transformers registry."""

BACKENDS = ("flash", "sdpa", "eager")

KeyValue = tuple[Tensor, Tensor]
"""Keys and values, each ``(batch, key-value heads, length, head size)``."""


class AttentionPast(Protocol):
    """What a forward pass attends to beside its own new tokens."""

    backend: str

    def parts(self, layer: int) -> Sequence[KeyValue]:
        """The past of one layer, oldest first; each wholly visible to every query."""
        ...

    def observe(self, layer: int, query: Tensor, scale: float) -> None:
        """Called with the rotated queries ``(batch, heads, length, head size)``."""
        ...


def able_backends(device: torch.device, dtype: torch.dtype) -> list[str]:
    """The attention backends that this machine can run, the fastest first."""
    able = ["eager"]
    if device.type in ("cpu", "cuda"):
        able.insert(0, "sdpa")
    half = dtype in (torch.float16, torch.bfloat16)
    if device.type == "cuda" and half and torch.cuda.get_device_capability(device) >= (8, 0):
        able.insert(0, "flash")
    return able


def choose_backend(device: torch.device, dtype: torch.dtype, forced: str | None = None) -> str:
    """The fastest exact attention of this machine, or ``forced`` where it can run.

    ``flash`` is FlashAttention in PyTorch (CUDA of compute capability 8 or later, 16-bit);
    ``sdpa`` PyTorch's memory-efficient kernel on CUDA and its blocked one on CPU; ``eager``
    runs everywhere and needs memory for all scores.

    Raises:
        ValueError: ``forced`` is unknown, or cannot run on this device and dtype.
    """
    able = able_backends(device, dtype)
    if forced is None:
        return able[0]
    if forced not in BACKENDS:
        raise ValueError(f"attention backend {forced!r} is unknown: use one of {BACKENDS}")
    if forced not in able:
        raise ValueError(
            f"attention backend {forced!r} cannot run on {device} with {dtype}: use one of {able}"
        )
    return forced


def attend(
    query: Tensor, key: Tensor, value: Tensor, scale: float, causal: bool, backend: str
) -> tuple[Tensor, Tensor]:
    """Attention of one part with the log-sum-exp of its scores.

    Args:
        query: ``(batch, heads, length, head size)``.
        key, value: the same number of heads; ``causal`` needs the length of the query.

    Returns:
        Output of the query's shape, and log-sum-exp ``(batch, heads, length)`` in float32.
    """
    if backend == "sdpa" and query.device.type == "cpu":
        out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, key, value, 0.0, causal, attn_mask=None, scale=scale
        )
        return out, lse
    if backend == "sdpa" and query.device.type == "cuda":
        out, lse, *_ = torch.ops.aten._scaled_dot_product_efficient_attention(
            query, key, value, None, True, 0.0, causal, scale=scale
        )
        return out, lse[..., : query.shape[2]]  # the kernel pads it to a multiple of 32
    if backend == "flash" and query.shape[-1] % 8 == 0:
        out, lse, *_ = torch.ops.aten._scaled_dot_product_flash_attention(
            query, key, value, 0.0, causal, False, scale=scale
        )
        return out, lse
    scores = (query @ key.transpose(-1, -2)).float() * scale
    if causal:
        length = query.shape[2]
        future = torch.ones(length, length, dtype=torch.bool, device=query.device).triu(1)
        scores = scores.masked_fill(future, float("-inf"))
    lse = scores.logsumexp(-1)
    return (scores - lse[..., None]).exp().to(value.dtype) @ value, lse


def attend_past(
    query: Tensor, key: Tensor, value: Tensor, scale: float, backend: str
) -> tuple[Tensor, Tensor]:
    """:func:`attend` to keys that every query sees, of fewer heads (grouped queries) and
    possibly of batch 1 shared by all: both are folded into the query's length, so the past
    is neither repeated nor copied."""
    batch, heads, length, size = query.shape
    shared, key_heads = key.shape[:2]
    groups = heads // key_heads
    rows = query.reshape(batch, key_heads, groups * length, size)
    if shared == 1 and batch > 1:
        rows = rows.transpose(0, 1).reshape(1, key_heads, batch * groups * length, size)
    out, lse = attend(rows, key, value, scale, False, backend)
    if shared == 1 and batch > 1:
        out = out.reshape(key_heads, batch, groups * length, size).transpose(0, 1)
        lse = lse.reshape(key_heads, batch, groups * length).transpose(0, 1)
    return out.reshape(batch, heads, length, size), lse.reshape(batch, heads, length)


def merge(parts: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Exact attention over the union of the parts' keys, from each part's own."""
    if len(parts) == 1:
        return parts[0][0]
    weights = torch.stack([lse for _, lse in parts]).softmax(0)
    total = sum(out.float() * w[..., None] for (out, _), w in zip(parts, weights, strict=True))
    assert isinstance(total, Tensor)
    return total.to(parts[0][0].dtype)


def streaming_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    streaming: AttentionPast | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """The attention function of transformers' interface; ``key`` and ``value`` are those of
    the new tokens alone, the past comes with ``streaming``. Without it (a plain forward
    pass of the same model) it is the library's SDPA.

    Raises:
        NotImplementedError: the layer wants a window, soft cap or sink, which a shared past
            does not offer.
    """
    if streaming is None:
        return sdpa_attention_forward(  # type: ignore[no-any-return]
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
    for name in ("sliding_window", "softcap", "s_aux", "position_bias"):
        if kwargs.get(name) is not None:
            raise NotImplementedError(f"the streaming context has no attention with {name}")
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    backend = streaming.backend
    streaming.observe(module.layer_idx, query, scale)
    parts = [attend_past(query, k, v, scale, backend) for k, v in streaming.parts(module.layer_idx)]
    if query.shape[2] > 1:
        groups = query.shape[1] // key.shape[1]
        new_key, new_value = repeat_kv(key, groups), repeat_kv(value, groups)
        parts.append(attend(query, new_key, new_value, scale, True, backend))
    else:
        parts.append(attend_past(query, key, value, scale, backend))
    return merge(parts).transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, streaming_attention)
