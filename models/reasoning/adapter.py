"""A small addition to a model's weights: LoRA (Hu et al. 2021, arXiv 2106.09685).

Beside each linear layer of a transformers decoder's layers two thin matrices are trained, and the
layer's output is ``x W^T + x A^T B^T``. What was trained is kept by itself, a few per cent of the
model, and stands beside the weights again when they are loaded, or is added to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from models.reasoning.reasoner import ReasonerError

FORMAT = "onlooker-adapter-1"


class LowRank(nn.Module):
    """A frozen linear layer with its addition, which begins as nothing.

    The thin matrices are float32, and computed in the type of ``x``.
    """

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.randn(rank, base.in_features) * base.in_features**-0.5)
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        thin = nn.functional.linear(x, self.down.to(x.dtype))
        out: Tensor = self.base(x) + nn.functional.linear(thin, self.up.to(x.dtype))
        return out


def attach(model: Any, rank: int) -> dict[str, LowRank]:
    """Put a :class:`LowRank` of ``rank`` in place of each linear layer of the decoder's layers;
    all of them by name. Nothing but their thin matrices is trained afterwards."""
    model.requires_grad_(False)
    added = {}
    for name, parent, child, layer in list(_linear(model)):
        added[name] = LowRank(layer, rank)
        setattr(parent, child, added[name])
    return added


def load(model: Any, path: Path, of: str) -> None:
    """Put what is kept in ``path`` beside the weights of ``model``, which is named ``of``.

    Raises:
        ReasonerError: the file is missing, damaged, or is for another model.
    """
    tensors = read(model, path, of)
    rank = len(next(thin for name, thin in tensors.items() if name.endswith(".down")))
    with torch.no_grad():
        for name, layer in attach(model, rank).items():
            layer.down.copy_(tensors[f"{name}.down"])
            layer.up.copy_(tensors[f"{name}.up"])
    model.requires_grad_(False)


def save(added: Mapping[str, LowRank], path: Path, of: str) -> None:
    """Write what was trained, in float16, for the model named ``of``."""
    tensors = {}
    for name, layer in added.items():
        tensors[f"{name}.down"] = layer.down.detach().half().contiguous()
        tensors[f"{name}.up"] = layer.up.detach().half().contiguous()
    half = path.with_suffix(".half")
    save_file(tensors, half, metadata={"format": FORMAT, "of": of})
    half.replace(path)


def read(model: Any, path: Path, of: str) -> dict[str, Tensor]:
    """The tensors that :func:`save` wrote for ``model``, named ``of``, by name, in float32.

    Raises:
        ReasonerError: the file is missing, damaged, or is for another model.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ReasonerError(
            f"the trained addition to the model, {path}, cannot be read: {error}. Restore the "
            "file, make it again with models.training.mind, or go without it: --plain"
        ) from error
    wanted = {}
    for name, _, _, layer in _linear(model):
        wanted[f"{name}.down"], wanted[f"{name}.up"] = layer.in_features, layer.out_features
    sides = {n: t.shape[1 if n.endswith(".down") else 0] for n, t in tensors.items()}
    ranks = {t.shape[0 if n.endswith(".down") else 1] for n, t in tensors.items()}
    if (about.get("format"), about.get("of")) != (FORMAT, of) or sides != wanted or len(ranks) != 1:
        raise ReasonerError(
            f"{path} is no addition to {of}. Restore the file, make it again with "
            "models.training.mind, or go without it: --plain"
        )
    return tensors


def merge(model: Any, path: Path, of: str) -> None:
    """Add what is kept in ``path`` to the weights of ``model``, which is named ``of``.

    Raises:
        ReasonerError: the file is missing, damaged, or is for another model.
    """
    tensors = read(model, path, of)
    with torch.no_grad():
        for name, _, _, layer in _linear(model):
            added = tensors[f"{name}.up"] @ tensors[f"{name}.down"]
            layer.weight += added.to(layer.weight.dtype)


def _linear(model: Any) -> Iterator[tuple[str, nn.Module, str, nn.Linear]]:
    """Name, parent, name in the parent, and the layer itself, of the decoder layers."""
    for name, module in model.get_decoder().layers.named_modules():
        for child, layer in module.named_children():
            if isinstance(layer, nn.Linear):
                yield f"{name}.{child}", module, child, layer
