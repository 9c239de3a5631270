"""Published Slow-Fast models: checkpoints of the type ``llava_qwen_slow_fast``.

Names, configuration and computation are those of SHI-Labs/Slow-Fast-Video-Multimodal-LLM (arXiv
2504.01328) at commit 69676a1. Two things there that a reader of the code may miss:

- a hybrid layer's projection gives, head by head, a key and then a value;
- while generating, its code takes a step of a single token for a text without pictures, so that
  only the prompt and the first token look into the slow tokens. In training all tokens do, and
  they do here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional
from transformers import Qwen2Config, Qwen2ForCausalLM

from models.reasoning.hybrid.decoder import HybridDecoder, every
from models.reasoning.hybrid.towers import ConvNext, Siglip, Tower
from models.reasoning.reasoner import ReasonerError

TYPE = "llava_qwen_slow_fast"

PICTURE = -200
"""The token id that stands for the pictures in a prompt."""

_GATE = "whole-dynamic-tanh-warmup"
_ATTENTION = ("text-only-vanilla", "text-only-vanilla-flashattn")
_TOWER = "model.vision_tower.vision_tower."
_PROJECTOR = "model.mm_projector."


@dataclass(frozen=True, slots=True)
class Pooling:
    """How features become slow and fast tokens.

    Attributes:
        video: side of the square of tokens that is first made one, in videos.
        sampling: of the frames, each how-manyeth makes fast tokens.
        temporal: of those, how many are made one.
        spatial: side of the square of tokens that is then made one.
        least: fast frames there are at least, where there are as many.
    """

    video: int
    sampling: int
    temporal: int
    spatial: int
    least: int

    def slow(self, features: Tensor) -> Tensor:
        """``(T, h, w, size)``, of the tower's grid, to a smaller grid."""
        return features if len(features) == 1 else _pooled(features, self.video)

    def fast(self, slow: Tensor) -> Tensor:
        """``(T, h, w, size)``, as :meth:`slow` gives it, to fewer frames and a smaller grid."""
        frames = len(slow)
        if frames > 1 and self.sampling > 1 and frames >= self.least:
            count = max(frames // self.sampling, self.least)
            slow = slow[[min(int(n * (frames / count)), frames - 1) for n in range(count)]]
        if frames > 1 and self.temporal > 1:
            count = len(slow) // self.temporal
            if count >= self.least:
                whole = slow[: count * self.temporal]
                slow = whole.view(count, self.temporal, *slow.shape[1:]).mean(1)
            else:
                count = min(len(slow), self.least)
                flat = slow.flatten(1).T  # (tokens * size, T)
                slow = functional.adaptive_avg_pool1d(flat, count).T.view(count, *slow.shape[1:])
        return _pooled(slow, self.spatial)


class _Qwen2(Qwen2ForCausalLM):  # type: ignore[misc]
    """The decoder in a checkpoint that holds more than it."""

    _keys_to_ignore_on_load_unexpected: ClassVar[list[str]] = [
        r"cross_attn_",
        r"mm_projector",
        r"vision_tower",
    ]


@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """A published model, made of parts.

    Attributes:
        model: the decoder with its head, a Qwen2 of the transformers library.
        hybrid: its hybrid layers.
        tower, projector: frames to features, and those to the decoder's width.
        config: the checkpoint's configuration, as it is.
    """

    model: Any
    hybrid: HybridDecoder
    tower: Tower
    projector: nn.Module
    pooling: Pooling
    config: dict[str, Any]

    @torch.inference_mode()
    def see(self, frames: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        """Fast and slow tokens of RGB frames ``(T, H, W, 3)``, each ``(n, size)``."""
        slow = self.pooling.slow(self.projector(self.tower.encode(frames)))
        return self.pooling.fast(slow).flatten(0, 2), slow.flatten(0, 2)

    def prompt(self, ids: Tensor, fast: Tensor) -> tuple[Tensor, Tensor]:
        """A prompt with the fast tokens where :data:`PICTURE` stands.

        Args:
            ids: int64 ``(n,)``.

        Returns:
            embeddings ``(1, m, size)``, and which of them are text, bool ``(1, m)``.

        Raises:
            ValueError: there is not one place for the pictures.
        """
        places = (ids == PICTURE).nonzero().flatten().tolist()
        if len(places) != 1:
            raise ValueError(f"a prompt has one place for pictures: this has {len(places)}")
        before, after = ids[: places[0]], ids[places[0] + 1 :]
        embed = self.model.get_input_embeddings()
        text = torch.ones(1, len(ids) - 1 + len(fast), dtype=torch.bool)
        text[:, len(before) : len(before) + len(fast)] = False
        return torch.cat([embed(before), fast, embed(after)])[None], text

    @torch.inference_mode()
    def logits(self, ids: Tensor, frames: NDArray[np.uint8]) -> Tensor:
        """Of every token of a prompt about frames, ``(1, m, vocabulary)``, in one pass."""
        fast, slow = self.see(frames)
        embeds, text = self.prompt(ids, fast)
        out = self.model(inputs_embeds=embeds, slow=self.hybrid.look(slow[None], text=text))
        logits: Tensor = out.logits
        return logits


def load(
    folder: Path,
    tower: Path | None = None,
    dtype: torch.dtype = torch.float32,
    side: int = 576,
) -> Published:
    """A published model from its folder (config.json and safetensors).

    Args:
        tower: folder of the SigLIP, for a checkpoint that looks through one.
        side: pixels that frames are brought to for a ConvNeXt; as published, 576.

    Raises:
        ReasonerError: the folder holds something else, or something that is not built here.
    """
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise ReasonerError(f"{folder} holds no config.json that can be read: {error}") from error
    for name, able in (
        ("model_type", (TYPE,)),
        ("cross_attn_gating_type", (_GATE,)),
        ("cross_attn_implementation", _ATTENTION),
    ):
        if config.get(name) not in able:
            raise ReasonerError(
                f"{folder / 'config.json'} has {name} {config.get(name)!r}: "
                f"what can be loaded is {' or '.join(able)}"
            )
    try:
        return _load(folder, config, tower, dtype, side)
    except KeyError as error:
        raise ReasonerError(f"{folder} is not complete: {error}") from error


def _load(
    folder: Path, config: dict[str, Any], tower: Path | None, dtype: torch.dtype, side: int
) -> Published:
    # As published, whatever the configuration says, positions are not scaled.
    model, found = _Qwen2.from_pretrained(
        folder,
        config=Qwen2Config(**config | {"model_type": "qwen2", "rope_scaling": None}),
        dtype=dtype,
        local_files_only=True,
        output_loading_info=True,
    )
    if found["missing_keys"]:
        raise KeyError(f"the decoder lacks {sorted(found['missing_keys'])[:4]}")
    layers = every(
        config["num_hidden_layers"],
        config["cross_attn_every_n_layers"],
        config.get("cross_attn_min_layer_depth") or 0,
        config.get("cross_attn_max_layer_depth"),
    )
    hybrid = HybridDecoder(model.eval(), layers)
    parts = {f"model.layers.{index}.self_attn.cross_attn_": index for index in layers}
    rest = _tensors(folder, lambda name: name.startswith((*parts, _PROJECTOR, _TOWER)))
    for prefix, index in parts.items():
        state = {
            "key_value.weight": rest[f"{prefix}kv_proj.weight"],
            "key_value.bias": rest[f"{prefix}kv_proj.bias"],
            "gate.weight": rest[f"{prefix}gate_proj.0.weight"],
            "gate.bias": rest[f"{prefix}gate_proj.0.bias"],
            "strength": rest[f"{prefix}warm_up_gate"],
        }
        hybrid.layers[index].load_state_dict(state)
    hybrid.weights.requires_grad_(False)
    name = str(config.get("mm_vision_tower"))
    if name.startswith("convnext"):
        seen: Tower = ConvNext(_under(rest, _TOWER), side, dtype)
    elif "siglip" in name:
        if tower is None:
            raise ReasonerError(
                f"{folder} looks through {name}, which it does not hold: name the folder of it"
            )
        seen = Siglip(tower, config["mm_vision_select_layer"], dtype)
    else:
        raise ReasonerError(
            f"{folder} looks through {name!r}: what can be loaded is a ConvNeXt or a SigLIP"
        )
    pooling = Pooling(
        video=config["mm_video_pooling_stride"],
        sampling=config["fast_token_temporal_sampling_stride"],
        temporal=config["fast_token_temporal_stride"],
        spatial=config["fast_token_spatial_stride"],
        least=config.get("min_fast_frames") or 1,
    )
    projector = _projector(_under(rest, _PROJECTOR)).to(dtype)
    return Published(model, hybrid, seen, projector, pooling, config)


def _projector(state: dict[str, Tensor]) -> nn.Module:
    """Linear layers, with GELU between them where there are several."""
    if "weight" in state:  # a single one is stored without a number
        state = {f"0.{name}": tensor for name, tensor in state.items()}
    numbers = sorted({int(name.partition(".")[0]) for name in state})
    if not numbers:
        raise KeyError("there is no projector")
    made = nn.Sequential()
    for number in range(numbers[-1] + 1):
        if number in numbers:
            out, size = state[f"{number}.weight"].shape
            made.append(nn.Linear(size, out))
        else:
            made.append(nn.GELU())
    made.load_state_dict(state)
    return made.requires_grad_(False)


def _pooled(grid: Tensor, side: int) -> Tensor:
    if side == 1:
        return grid
    return functional.avg_pool2d(grid.permute(0, 3, 1, 2), side).permute(0, 2, 3, 1)


def _under(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _tensors(folder: Path, wanted: Callable[[str], bool]) -> dict[str, Tensor]:
    taken: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            taken |= {name: file.get_tensor(name) for name in filter(wanted, file.keys())}
    return taken
