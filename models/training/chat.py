"""Ordinary requests, and what the plain model says to them: what training must not destroy."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch

from models.reasoning.prompt import END
from models.reasoning.smollm2 import load

SYSTEM = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
    "<|im_end|>\n"
)

FORMS = (
    "Explain {} in two sentences.",
    "Write one sentence about {} for a child.",
    "Give me three short tips on {}.",
    "Why do people care about {}?",
    "Write the first lines of a story about {}.",
)
TRAINED = (
    "the water cycle", "learning to swim", "good sleep", "the Roman Empire", "baking bread",
    "electric cars", "friendship", "the moon", "saving money", "volcanoes", "chess",
    "a healthy breakfast", "gravity", "writing letters", "bees", "the internet", "hiking",
    "public speaking",
)  # fmt: skip
MEASURED = (
    "photosynthesis", "riding a bicycle", "the sea", "stage fright", "houseplants",
    "the printing press", "patience", "winter",
)  # fmt: skip

AT_ONCE = 30
"""Requests that are replied to side by side."""

LONGEST = 70
"""Tokens of a reply that are kept; one that is shorter ends with its end mark."""


@dataclass(frozen=True, slots=True)
class Chats:
    """Requests with the plain model's likeliest replies: to train on, and others to measure on."""

    trained: tuple[tuple[str, str], ...]
    measured: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, path: Path, home: Path) -> Chats:
        """Those kept in ``path``, or made and kept there: that takes some minutes."""
        if not path.exists():
            model, tokenizer = load(home)
            made = {
                name: list(zip(asked, _replies(model, tokenizer, asked), strict=True))
                for name, asked in (
                    ("trained", _requests(TRAINED)),
                    ("measured", _requests(MEASURED)),
                )
            }
            path.write_text(json.dumps(made, indent=1), encoding="utf-8")
        kept = json.loads(path.read_text(encoding="utf-8"))
        trained, measured = (
            tuple((text, reply) for text, reply in kept[name]) for name in ("trained", "measured")
        )
        return cls(trained, measured)


def turn(request: str) -> str:
    """A request as the model reads it; its reply follows."""
    return f"<|im_start|>user\n{request}<|im_end|>\n<|im_start|>assistant\n"


def _requests(topics: tuple[str, ...]) -> list[str]:
    return [form.format(topic) for topic, form in product(topics, FORMS)]


def _replies(model: Any, tokenizer: Any, requests: list[str]) -> list[str]:
    """The likeliest reply to each, some at once."""
    told = []
    for first in range(0, len(requests), AT_ONCE):
        some = [SYSTEM + turn(request) for request in requests[first : first + AT_ONCE]]
        given = tokenizer(
            some, add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt"
        )
        with torch.inference_mode():
            out = model.generate(**given, do_sample=False, max_new_tokens=LONGEST)
        for text in tokenizer.batch_decode(out[:, given["input_ids"].shape[1] :]):
            said, end, _ = text.partition(END)
            told.append(said + end)
    return told
