"""Linear layers that decode from 8-bit weights.

Generating one token reads every weight once, so its cost is that of memory: a quarter of
the bytes is most of the gain. Prefilling many tokens is bound by arithmetic instead, and
stays as it was. So each layer keeps both: the weights as loaded for long runs, and 8-bit
ones with a scale an output channel (round to nearest, symmetric) for short runs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SHORT = 8
"""Rows up to which the 8-bit weights are the faster."""


class Int8Linear(nn.Module):
    """``x W^T`` for float32 ``x`` of shape ``(..., in)``, without bias.

    Args:
        weight: float32 ``(out, in)``; kept, not copied.
        dtype: of the activations next to the 8-bit weights. bfloat16 takes any range;
            float16 is finer and is for bounded inputs, such as the normed ones of the head.
    """

    def __init__(self, weight: Tensor, dtype: torch.dtype = torch.bfloat16) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.dtype = dtype
        scale = weight.detach().abs().amax(1).clamp(min=1e-12) / 127
        self.register_buffer("small", (weight.detach() / scale[:, None]).round().to(torch.int8))
        self.register_buffer("scale", scale.to(dtype))
        self.small: Tensor
        self.scale: Tensor

    def forward(self, x: Tensor) -> Tensor:
        rows = x.numel() // x.shape[-1]
        if rows > SHORT:
            return nn.functional.linear(x, self.weight)
        flat = x.reshape(rows, x.shape[-1]).to(self.dtype)
        out = torch._weight_int8pack_mm(flat, self.small, self.scale)
        return out.to(x.dtype).reshape(*x.shape[:-1], -1)


def decode_in_int8(model: nn.Module) -> None:
    """Put :class:`Int8Linear` in place of the linear layers of a transformers decoder.

    The output head may share its weights with the embedding; they stay shared.

    Raises:
        ValueError: a linear layer has a bias.
    """
    for name, module in list(model.named_modules()):
        for child, layer in list(module.named_children()):
            if not isinstance(layer, nn.Linear):
                continue
            if getattr(layer, "bias", None) is not None:
                raise ValueError(f"{name}.{child} has a bias, which 8-bit decoding does not take")
            head = child == "lm_head"
            setattr(
                module,
                child,
                Int8Linear(layer.weight, torch.float16 if head else torch.bfloat16),
            )
