"""The vision towers that published Slow-Fast models look through, from the transformers library.

ConvNeXt is stored in the model's own checkpoint under the names of the timm library; the
library's ConvNeXt is the same network under other names, but for one number in its norms.
SigLIP is a model of its own, in a folder of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import ConvNextConfig, ConvNextModel, SiglipVisionModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

_NAMES = (
    (r"^stem\.0\.", "embeddings.patch_embeddings."),
    (r"^stem\.1\.", "embeddings.layernorm."),
    (r"^stages\.(\d+)\.downsample\.", r"encoder.stages.\1.downsampling_layer."),
    (r"^stages\.(\d+)\.blocks\.(\d+)\.", r"encoder.stages.\1.layers.\2."),
    (r"\.conv_dw\.", ".dwconv."),
    (r"(layers\.\d+)\.norm\.", r"\1.layernorm."),
    (r"\.mlp\.fc(\d)\.", r".pwconv\1."),
    # The scale of a block is called gamma by timm; the checkpoint has it as weight.
    (r"(layers\.\d+)\.(gamma|weight)$", r"\1.layer_scale_parameter"),
)


class Tower(Protocol):
    """Frames to features."""

    def encode(self, frames: NDArray[np.uint8]) -> Tensor:
        """RGB frames ``(T, H, W, 3)`` to ``(T, h, w, channels)``."""
        ...


class ConvNext:
    """A ConvNeXt from a checkpoint's tensors; its size is read off them.

    Args:
        state: tensors under the names of the timm library, from ``stem`` on.
        side: pixels of the square that frames are brought to, a multiple of 32: the shorter
            side is scaled to it, and the middle cut out.

    Raises:
        KeyError: a tensor of the network is missing.
    """

    def __init__(self, state: Mapping[str, Tensor], side: int, dtype: torch.dtype) -> None:
        self.side = side
        taken = {_renamed(k): v for k, v in state.items() if k.startswith(("stem.", "stages."))}
        last = "encoder.stages.{}.layers.0.dwconv.weight"
        stages = [n for n in range(4) if last.format(n) in taken]
        config = ConvNextConfig(
            hidden_sizes=[len(taken[last.format(n)]) for n in stages],
            depths=[
                sum(bool(re.match(rf"encoder\.stages\.{n}\..*\.dwconv\.weight", k)) for k in taken)
                for n in stages
            ],
            patch_size=taken["embeddings.patch_embeddings.weight"].shape[-1],
        )
        self._network: Any = ConvNextModel(config).to(dtype).eval()
        missing, extra = self._network.load_state_dict(taken, strict=False)
        # Its final norm is no part of what is looked at, and no part of the state.
        missing = [name for name in missing if not name.startswith("layernorm.")]
        if missing or extra:
            raise KeyError(f"a ConvNeXt lacks {missing} and does not know {extra}")
        for module in self._network.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = 1e-5  # of the CLIP ConvNeXt-XXL; the library has 1e-6
        self._prepare = CLIPImageProcessorPil(
            size={"shortest_edge": side}, crop_size={"height": side, "width": side}
        )

    @torch.inference_mode()
    def encode(self, frames: NDArray[np.uint8]) -> Tensor:
        pixels = self._prepare(list(frames), return_tensors="pt")["pixel_values"]
        weight = next(self._network.parameters())
        out = self._network(pixels.to(weight)).last_hidden_state
        features: Tensor = out.permute(0, 2, 3, 1)
        return features


class Siglip:
    """A SigLIP from a folder.

    Args:
        layer: the hidden state that is looked at, from the end; as published, -2.

    Raises:
        OSError: the folder holds no such model.
    """

    def __init__(self, folder: Path, layer: int, dtype: torch.dtype) -> None:
        self._layer = layer
        self._network: Any = SiglipVisionModel.from_pretrained(
            folder, dtype=dtype, local_files_only=True
        ).eval()
        side = self._network.config.image_size
        self._prepare = SiglipImageProcessorPil(size={"height": side, "width": side})

    @torch.inference_mode()
    def encode(self, frames: NDArray[np.uint8]) -> Tensor:
        pixels = self._prepare(list(frames), return_tensors="pt")["pixel_values"]
        weight = next(self._network.parameters())
        out = self._network(pixels.to(weight), output_hidden_states=True)
        features: Tensor = out.hidden_states[self._layer]
        side = round(features.shape[1] ** 0.5)
        return features.view(len(features), side, side, -1)


def _renamed(name: str) -> str:
    for pattern, replacement in _NAMES:
        name = re.sub(pattern, replacement, name)
    return name
