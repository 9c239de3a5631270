"""The library's own processors, made to run without torchvision.

A model's processor knows how its prompt is laid out and how its frames are prepared. Its
video half needs torchvision, for two operations: resizing and normalising. Both exist in
PyTorch itself, and torchvision calls the same kernels, so a subclass that supplies them
gives the same numbers with everything else left to the library.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.image_processing_backends import TorchvisionBackend
from transformers.image_utils import (
    OPENAI_CLIP_MEAN,
    OPENAI_CLIP_STD,
    PILImageResampling,
    SizeDict,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

_MODES = {
    PILImageResampling.NEAREST: "nearest",
    PILImageResampling.BILINEAR: "bilinear",
    PILImageResampling.BICUBIC: "bicubic",
    PILImageResampling.LANCZOS: "lanczos",
}


def resize(frames: Tensor, height: int, width: int, mode: str) -> Tensor:
    """``(..., C, H, W)`` uint8 to the given size as torchvision resizes on a CPU: the uint8
    kernels of PyTorch, with antialiasing."""
    if frames.shape[-2:] == (height, width):
        return frames
    if frames.is_meta:  # only the size is asked for
        return frames.new_empty(*frames.shape[:-2], height, width)
    smooth = mode != "nearest"
    out = F.interpolate(
        frames.reshape(-1, *frames.shape[-3:]),
        size=[height, width],
        mode=mode,
        align_corners=False if smooth else None,
        antialias=smooth,
    )
    return out.reshape(*frames.shape[:-2], height, width)


class _TorchOnly(TorchvisionBackend):  # type: ignore[misc]
    """The two operations, beneath the library's video processors."""

    def resize(self, image: Tensor, size: Any, resample: Any = None, **kwargs: Any) -> Tensor:
        kind = PILImageResampling.BILINEAR if resample is None else PILImageResampling(resample)
        return resize(image, size.height, size.width, _MODES[kind])

    def resize_to(self, frames: Tensor, height: int, width: int) -> Tensor:
        """Frames ``(T, 3, H, W)`` at a size that is given instead of derived."""
        return resize(frames, height, width, _MODES[PILImageResampling(self.resample)])

    def normalize(self, image: Tensor, mean: Any, std: Any, **kwargs: Any) -> Tensor:
        mean, std = (torch.as_tensor(m, dtype=image.dtype).view(-1, 1, 1) for m in (mean, std))
        out: Tensor = (image - mean) / std
        return out


def without_torchvision(cls: type[Any]) -> type[Any]:
    """A subclass of one of the library's video processors that needs no torchvision. Its
    frames are RGB ``(T, 3, H, W)`` uint8 on the CPU."""
    return type(
        cls.__name__,
        (cls, _TorchOnly),
        {"convert_to_rgb": lambda self, video, *rest, **names: video},
    )


class Qwen2VLVideoProcessor(without_torchvision(Qwen3VLVideoProcessor)):  # type: ignore[misc]
    """Of Qwen2.5-VL and Qwen2.5-Omni. The library's class of this name cannot even be
    imported without torchvision; it differs from Qwen3-VL's in its defaults and in that each
    frame has its own budget of pixels, whatever the clip's length."""

    size: ClassVar[dict[str, int]] = {"shortest_edge": 128 * 28**2, "longest_edge": 768 * 28**2}
    image_mean = OPENAI_CLIP_MEAN
    image_std = OPENAI_CLIP_STD
    patch_size = 14

    def __init__(self, **kwargs: Any) -> None:
        size = dict(kwargs.pop("size", None) or self.size)
        for old, new in (("min_pixels", "shortest_edge"), ("max_pixels", "longest_edge")):
            size[new] = kwargs.pop(old, None) or size[new]
        super().__init__(size=size, **kwargs)

    def resize(
        self, videos: Tensor, size: SizeDict, resample: Any, factor: int, **kwargs: Any
    ) -> Tensor:
        height, width = smart_resize(
            *videos.shape[-2:],
            factor=factor,
            min_pixels=size.shortest_edge,
            max_pixels=size.longest_edge,
        )
        out: Tensor = self.resize_to(videos, height, width)
        return out


def unchecked(cls: type[Any]) -> type[Any]:
    """A subclass of one of the library's processors that takes its parts as given: the
    library's check of their classes itself fails where torchvision is missing."""
    return type(
        cls.__name__,
        (cls,),
        {"check_argument_for_proper_class": lambda self, name, part: type(part)},
    )


def load_processor(
    model: str,
    processor: type[Any],
    video: type[Any],
    tokenizer: Any,
    ears: Any = None,
    **where: Any,
) -> Any:
    """The library's processor of a model, without its image half (a stream has frames).

    Args:
        model: a hub id or a folder.
        processor, video: the library's class, and a video processor that needs no torchvision.
        ears: the audio feature extractor, for a processor that has one.
        where: ``local_files_only``, ``revision``, ``token``: passed to the library.

    Raises:
        OSError: files are missing or cannot be fetched.
    """
    stored, _ = processor.get_processor_dict(model, **where)
    parts: dict[str, Any] = {
        "image_processor": None,
        "tokenizer": tokenizer,
        "video_processor": video.from_pretrained(model, **where),
        "chat_template": stored.get("chat_template") or tokenizer.chat_template,
    }
    if ears is not None:
        parts["feature_extractor"] = ears
    if "image_seq_len" in stored:
        parts["image_seq_len"] = stored["image_seq_len"]
    return unchecked(processor)(**parts)
