"""Loads a multimodal model by name or folder, and says in one line why it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoTokenizer,
    Qwen2_5_VLProcessor,
    Qwen2_5OmniProcessor,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen3VLProcessor,
    SmolVLMProcessor,
    WhisperFeatureExtractor,
)
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor
from transformers.models.smolvlm.video_processing_smolvlm import SmolVLMVideoProcessor

from models.compression.slow_fast import SlowFast
from models.gaze.cues import Cues
from models.reasoning.machine import (
    free_graphics_memory,
    free_memory,
    gigabytes,
    has_package,
)
from models.reasoning.multimodal.family import Family
from models.reasoning.multimodal.generic import GenericModel
from models.reasoning.multimodal.omni import Qwen25Omni
from models.reasoning.multimodal.processors import (
    Qwen2VLVideoProcessor,
    load_processor,
    without_torchvision,
)
from models.reasoning.multimodal.qwen import Qwen3VL, Qwen25VL
from models.reasoning.multimodal.smolvlm import SmolVLM
from models.reasoning.multimodal.streaming import MultimodalModel
from models.reasoning.multimodal.visual import Compressor
from models.reasoning.reasoner import ReasonerError

Quantise = Literal["8bit", "4bit"]

DTYPES = ("auto", "float32", "bfloat16", "float16")

_OMNI = ("qwen2_5_omni", "qwen2_5_omni_thinker")
_STREAMING = ("qwen3_vl", "qwen3_vl_moe", "qwen2_5_vl", "smolvlm", *_OMNI)
"""Model types with a family of their own; any other goes through its chat template."""

_WORK = 1.1
"""Memory for the passes themselves, as a share of weights and context."""


def load_multimodal(
    model: str,
    dtype: str = "auto",
    device_map: str = "auto",
    quantise: Quantise | None = None,
    attention: str | None = None,
    context_tokens: int = 16_384,
    frame_tokens: int | None = 256,
    clip_frames: int = 256,
    chunk: int = 256,
    answer_tokens: int = 256,
    slow_tokens: int = 2048,
    compressor: Compressor | None = SlowFast(),  # noqa: B008 - frozen
    slow_bytes: int = 512 * 2**20,
    hear: bool = True,
    revision: str | None = None,
    local_files_only: bool = False,
    gaze: str | None = None,
) -> MultimodalModel | GenericModel:
    """Load a model of the hub, or from a folder, ready for any number of streams.

    Args:
        model: a hub id such as ``Qwen/Qwen3-VL-4B-Instruct``, or a folder.
        dtype: ``"auto"`` is the checkpoint's own where the device can do it.
        device_map: ``"auto"`` spreads over the graphics cards, or is the processor where
            there are none; ``"cpu"``, ``"cuda:1"`` and what accelerate knows besides.
        quantise: weights in 8 or 4 bits, by bitsandbytes.
        attention: backend to force: ``"flash"``, ``"sdpa"`` or ``"eager"``.
        context_tokens: most tokens of a running context.
        frame_tokens: most visual tokens of a frame group before compression (Qwen families);
            None for the model's own limit.
        clip_frames: see :class:`models.reasoning.multimodal.qwen.QwenVL`.
        compressor: None keeps every visual token in the context.
        chunk, answer_tokens, slow_tokens, slow_bytes, hear: see
            :class:`models.reasoning.multimodal.streaming.MultimodalModel`.
        revision, local_files_only: for the hub.
        gaze: names of :class:`models.gaze.cues.Cues`, joined by commas; by default words, foveated
            tokens and choice, as far as the model can.

    Raises:
        ReasonerError: in one line what is wrong and what to do.
    """
    _check(dtype, quantise)
    cues = _cues(gaze)
    if model.startswith("~"):
        model = str(Path(model).expanduser())
    where: dict[str, Any] = {"local_files_only": local_files_only}
    if revision is not None:
        where["revision"] = revision
    with _explained(model):
        config = AutoConfig.from_pretrained(model, **where)
        if config.model_type == "qwen2_5_omni":
            config = config.thinker_config
    if config.model_type not in _STREAMING and not _speaks_of_images(config):
        raise ReasonerError(
            f"{model} is a {config.model_type} model, which does not take pictures: give a "
            f"vision-language model such as Qwen/Qwen3-VL-4B-Instruct"
        )
    if config.model_type == "smolvlm" and not has_package("num2words"):
        raise ReasonerError(f"{model} needs a package: pip install num2words")
    kind = _dtype(config, dtype, device_map)
    skeleton = _skeleton(config)
    _check_memory(model, skeleton, kind, device_map, quantise, context_tokens)
    options: dict[str, Any] = {**where, "dtype": kind}
    if quantise is not None:
        options["quantization_config"] = _quantisation(quantise, kind)
    if (devices := _devices(device_map)) is not None:
        options["device_map"] = devices
    with _explained(model):
        if config.model_type not in _STREAMING:
            if gaze is not None and cues.foveated:
                raise ReasonerError(
                    f"{model} is a {config.model_type} model, whose tokens cannot be foveated: "
                    "leave 'foveated' out of the gaze cues"
                )
            cues = replace(cues, foveated=False)
            return GenericModel.load(model, _short(model), options, where, answer_tokens, cues)
        loader = (
            Qwen2_5OmniThinkerForConditionalGeneration
            if config.model_type in _OMNI
            else AutoModelForImageTextToText
        )
        loaded = loader.from_pretrained(model, **options).eval()
        family = _family(model, config.model_type, loaded, where, clip_frames, frame_tokens)
    try:
        return MultimodalModel(
            name=f"transformers {family.name} {_short(model)} {quantise or _named(kind)}",
            family=family,
            model=loaded,
            context_tokens=context_tokens,
            chunk=chunk,
            backend=attention,
            compressor=compressor,
            answer_tokens=answer_tokens,
            slow_tokens=slow_tokens,
            slow_bytes=slow_bytes,
            hear=hear,
            gaze=cues,
        )
    except ValueError as error:
        raise ReasonerError(f"{model}: {error}") from error


def _family(
    model: str,
    kind: str,
    loaded: Any,
    where: dict[str, Any],
    clip_frames: int,
    frame_tokens: int | None,
) -> Family:
    text = AutoTokenizer.from_pretrained(model, **where)
    limits: dict[str, Any] = {"clip_frames": clip_frames, "frame_tokens": frame_tokens}
    if kind in ("qwen3_vl", "qwen3_vl_moe"):
        video = without_torchvision(Qwen3VLVideoProcessor)
        return Qwen3VL(
            loaded, load_processor(model, Qwen3VLProcessor, video, text, **where), **limits
        )
    if kind == "qwen2_5_vl":
        video = Qwen2VLVideoProcessor
        return Qwen25VL(
            loaded, load_processor(model, Qwen2_5_VLProcessor, video, text, **where), **limits
        )
    if kind == "smolvlm":
        video = without_torchvision(SmolVLMVideoProcessor)
        return SmolVLM(loaded, load_processor(model, SmolVLMProcessor, video, text, **where))
    ears = WhisperFeatureExtractor.from_pretrained(model, **where)
    processor = load_processor(
        model, Qwen2_5OmniProcessor, Qwen2VLVideoProcessor, text, ears, **where
    )
    return Qwen25Omni(loaded, processor, **limits)


def _check(dtype: str, quantise: str | None) -> None:
    if dtype not in DTYPES:
        raise ReasonerError(f"dtype {dtype!r} is unknown: use one of {', '.join(DTYPES)}")
    if quantise not in (None, "8bit", "4bit"):
        raise ReasonerError(f"quantisation {quantise!r} is unknown: use 8bit or 4bit")
    if quantise is not None and not has_package("bitsandbytes"):
        raise ReasonerError(
            f"loading in {quantise} needs bitsandbytes, which is not installed: "
            "pip install bitsandbytes"
        )


def _cues(names: str | None) -> Cues:
    try:
        return Cues.named("text,foveated,choice" if names is None else names)
    except ValueError as error:
        raise ReasonerError(str(error)) from error


def _speaks_of_images(config: Any) -> bool:
    return type(config) in AutoModelForImageTextToText._model_mapping


def _dtype(config: Any, dtype: str, device_map: str) -> torch.dtype:
    """``auto`` is the checkpoint's, but for formats that the device is bad at."""
    if dtype != "auto":
        return getattr(torch, dtype)  # type: ignore[no-any-return]
    own = getattr(config, "dtype", None) or torch.float32
    if isinstance(own, str):
        own = getattr(torch, own)
    cuda = torch.cuda.is_available() and device_map != "cpu"
    if own == torch.bfloat16 and cuda and not torch.cuda.is_bf16_supported(False):
        return torch.float16
    if own == torch.float16 and not cuda and not torch.backends.mps.is_available():
        return torch.float32
    assert isinstance(own, torch.dtype)
    return own


def _devices(device_map: str) -> str | dict[str, str] | None:
    """For the library; None is the processor, without accelerate."""
    if device_map == "cpu" or (device_map == "auto" and not torch.accelerator.is_available()):
        return None
    if device_map in ("auto", "balanced", "balanced_low_0", "sequential"):
        return device_map
    try:
        device = torch.device(device_map)
    except RuntimeError:
        raise ReasonerError(
            f"device map {device_map!r} is unknown: use auto, cpu, cuda, cuda:N, balanced, "
            "balanced_low_0 or sequential"
        ) from None
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        raise ReasonerError(
            f"there is no {device_map}: PyTorch can use {count} graphics cards on this machine"
        )
    return {"": device_map}


def _skeleton(config: Any) -> Any:
    """The model without its weights, to know how many there are."""
    with torch.device("meta"):
        if config.model_type in _OMNI:
            return Qwen2_5OmniThinkerForConditionalGeneration._from_config(config)
        return AutoModelForImageTextToText.from_config(config)


def _check_memory(
    model: str,
    skeleton: Any,
    kind: torch.dtype,
    device_map: str,
    quantise: Quantise | None,
    context_tokens: int,
) -> None:
    """Before anything is loaded or fetched: weights, and two caches while a context is
    rebuilt."""
    bytes_each = {"4bit": 0.6, "8bit": 1.1}.get(quantise or "", kind.itemsize)
    weights = sum(p.numel() for p in skeleton.parameters()) * bytes_each
    context = 2 * context_tokens * _bytes_a_token(skeleton, kind)
    need = _WORK * (weights + context)
    cards = free_graphics_memory()
    if device_map == "cpu" or not cards:
        free, place = free_memory(), "memory"
    elif device_map.startswith("cuda"):
        number = torch.device(device_map).index or 0
        if number >= len(cards):
            return  # said better when the device is looked up
        free, place = cards[number], f"memory on cuda:{number}"
    else:
        free, place = sum(cards) + free_memory(), "memory, graphics cards and main together"
    if need > free:
        raise ReasonerError(
            f"{model} needs about {gigabytes(need)} ({gigabytes(weights)} of weights in "
            f"{quantise or _named(kind)}, {gigabytes(context)} for a context of {context_tokens} "
            f"tokens), and {gigabytes(free)} of {place} are free: take a smaller model, fewer "
            "context tokens, or weights in 8 or 4 bits"
        )


def _bytes_a_token(skeleton: Any, kind: torch.dtype) -> int:
    """Keys and values of one token in the cache."""
    text = skeleton.config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return int(2 * text.num_hidden_layers * heads * size * kind.itemsize)


def _quantisation(quantise: Quantise, kind: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    if quantise == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=kind)


def _named(kind: torch.dtype) -> str:
    return str(kind).removeprefix("torch.")


def _short(model: str) -> str:
    """A hub id as it is; of a folder its name."""
    return Path(model).name if Path(model).exists() else model


@contextmanager
def _explained(model: str) -> Iterator[None]:
    """Turns what the library and the hub raise into one line for people."""
    try:
        yield
    except ReasonerError:
        raise
    except torch.OutOfMemoryError as error:
        raise ReasonerError(
            f"{model} does not fit into the graphics memory: take a smaller model, fewer context "
            "tokens, or weights in 8 or 4 bits"
        ) from error
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise ReasonerError(_why(model, error)) from error


def _why(model: str, error: BaseException) -> str:
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(e, kinds) for e in chain)

    if Path(model).is_dir():
        if not (Path(model) / "config.json").is_file():
            return f"the folder {model} holds no model: its config.json is missing"
        return f"the model in {model} cannot be loaded: {_line(error)}"
    if model.startswith((".", "/")) or model.count("/") > 1:
        return f"there is no folder {model}: give the folder of a model, or a hub id"
    if has(GatedRepoError):
        return (
            f"{model} is gated: accept its terms on its page of the hub, then log in with "
            "'hf auth login' or set HF_TOKEN"
        )
    if has(HFValidationError):
        return f"{model!r} is no model id: give one such as Qwen/Qwen3-VL-4B-Instruct, or a folder"
    if has(RevisionNotFoundError):
        return f"{model} has no such revision on the hub"
    if has(RepositoryNotFoundError):
        return (
            f"there is no model {model} on the hub, or it is private: check its spelling, or log "
            "in with 'hf auth login'"
        )
    if has(OfflineModeIsEnabled, LocalEntryNotFoundError, ConnectionError) or _no_network(chain):
        return (
            f"{model} is not on this machine and the hub cannot be reached: check the network "
            "(and HF_HUB_OFFLINE), or copy the model's folder here and give its path"
        )
    return f"{model} cannot be loaded: {_line(error)}"


def _no_network(chain: list[BaseException]) -> bool:
    return any("connect" in type(e).__name__.lower() for e in chain)


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:300] + "..."
