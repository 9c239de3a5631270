"""Layers that decode from weights of few bits.

Generating one token reads every weight once, so its cost is that of memory: the fewer the
bytes, the faster. Prefilling many tokens is bound by arithmetic instead, and stays as it was.
So each layer keeps both: the weights as loaded for long runs, and packed ones for short runs.

The weights of SmolLM2 come in 4 bits (GGUF Q4_1: runs of 32 inputs with a scale and a
least value each). Packing them finds those same 4 bits again, so that it loses nothing but
the last digits of the scales.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.reasoning.adapter import LowRank

SHORT = 8
"""Rows up to which the packed weights are the faster."""

GROUP = 32
"""Inputs that share a scale, as in GGUF's Q4_1."""

CLOSE = 0.005
"""Most that 4 bits may be off, as a share of the weights' norm; 8 bits are taken beyond."""

CANDIDATES = 64
"""Likeliest tokens whose logits are computed again in full."""


class Packed4Linear(nn.Module):
    """``x W^T`` for float32 ``x`` of shape ``(..., in)``, without bias, from 4-bit weights; made
    by :meth:`of`."""

    def __init__(self, weight: Tensor, packed: Tensor, of_groups: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.register_buffer("packed", packed)
        self.register_buffer("of_groups", of_groups)
        self.packed: Tensor
        self.of_groups: Tensor

    @classmethod
    def of(cls, weight: Tensor) -> Packed4Linear | None:
        """The layer of ``weight``, float32 ``(out, in)``, which is kept, not copied; None where
        4 bits are too few: where some run of :data:`GROUP` inputs takes more than 16 evenly
        spaced values, or a side is not a multiple of what the kernel takes at once."""
        out, size = weight.shape
        if out % 16 or size % GROUP:
            return None
        groups = weight.detach().reshape(out, size // GROUP, GROUP)
        least, most = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
        scale = ((most - least) / 15).clamp(min=1e-12)
        steps = ((groups - least) / scale).round_()
        if (steps * scale + least - groups).norm() > CLOSE * groups.norm():
            return None
        packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(
            steps.reshape(out, size).to(torch.int32), 1
        )
        # The kernel takes steps from -8 to 7: its zero is the value of step 8.
        of_groups = torch.cat([scale, least + 8 * scale], -1).transpose(0, 1)
        return cls(weight, packed, of_groups.to(torch.bfloat16).contiguous())

    def forward(self, x: Tensor) -> Tensor:
        rows = x.numel() // x.shape[-1]
        if rows > SHORT:
            return nn.functional.linear(x, self.weight)
        out: Tensor = torch.ops.aten._weight_int4pack_mm_for_cpu(
            x.reshape(rows, -1).to(torch.bfloat16), self.packed, GROUP, self.of_groups
        )
        return out.to(x.dtype).view(*x.shape[:-1], -1)


class Packed8Linear(nn.Module):
    """``x W^T`` for float32 ``x`` of shape ``(..., in)``, without bias, from 8-bit weights with
    a scale an output (round to nearest, symmetric).

    Args:
        weight: float32 ``(out, in)``; kept, not copied.
        exact: how many of the greatest outputs are computed again from ``weight``: those of an
            output head, which are told apart by less than the kernel's 8 bits of result.
    """

    def __init__(self, weight: Tensor, exact: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.exact = min(exact, len(weight))
        scale = weight.detach().abs().amax(1).clamp(min=1e-12) / 127
        self.register_buffer("packed", (weight.detach() / scale[:, None]).round().to(torch.int8))
        self.register_buffer("scale", scale)
        self.register_buffer("ones", torch.ones(len(weight), dtype=torch.bfloat16))
        self.packed: Tensor
        self.scale: Tensor
        self.ones: Tensor

    def forward(self, x: Tensor) -> Tensor:
        rows = x.numel() // x.shape[-1]
        if rows > SHORT:
            return nn.functional.linear(x, self.weight)
        flat = x.reshape(rows, -1)
        out = torch._weight_int8pack_mm(flat.to(torch.bfloat16), self.packed, self.ones)
        out = out.to(x.dtype) * self.scale
        if self.exact:
            best = out.topk(self.exact, -1, sorted=False).indices
            out.scatter_(-1, best, (self.weight[best] @ flat[..., None]).squeeze(-1))
        return out.view(*x.shape[:-1], -1)


class PackedLowRank(nn.Module):
    """A packed layer with a :class:`~models.reasoning.adapter.LowRank`'s addition.

    Weights with the addition in them would no longer fit into their 4 bits: it stands beside the
    packed ones, in bfloat16, and only in those for long runs.
    """

    def __init__(self, added: LowRank) -> None:
        super().__init__()
        self.base = _packed(added.base.weight, head=False)
        with torch.no_grad():
            added.base.weight += added.up @ added.down
        self.register_buffer("down", added.down.detach().to(torch.bfloat16))
        self.register_buffer("up", added.up.detach().to(torch.bfloat16))
        self.down: Tensor
        self.up: Tensor

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base(x)
        if x.numel() // x.shape[-1] > SHORT:
            return out
        thin = nn.functional.linear(x.to(torch.bfloat16), self.down)
        return out + nn.functional.linear(thin, self.up).to(x.dtype)


def decode_packed(model: nn.Module) -> None:
    """Put packed layers in place of the linear ones of a transformers decoder on a CPU: 4 bits
    where they are enough, else 8, and 8 for the output head. What
    :func:`models.reasoning.adapter.load` put beside a layer stays there.

    The head may share its weights with the embedding; they stay shared.

    Raises:
        ValueError: a linear layer has a bias.
    """
    for name, module in list(model.named_modules()):
        for child, layer in list(module.named_children()):
            if isinstance(layer, LowRank):
                setattr(module, child, PackedLowRank(layer))
            if not isinstance(layer, nn.Linear) or isinstance(module, LowRank):
                continue
            if getattr(layer, "bias", None) is not None:
                raise ValueError(f"{name}.{child} has a bias, which packed layers do not take")
            setattr(module, child, _packed(layer.weight, head=child == "lm_head"))


def _packed(weight: Tensor, head: bool) -> nn.Module:
    if head:
        return Packed8Linear(weight, CANDIDATES)
    return Packed4Linear.of(weight) or Packed8Linear(weight)
