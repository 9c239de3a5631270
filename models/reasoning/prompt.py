"""What the embedded engine puts before its language model, piece by piece.

The engine asks with these pieces and the trainer (:mod:`models.training.mind`) trains on them, so
that the model is trained on what it will read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from models.reasoning.reasoner import Exchange, Line, Passage

HEAD = (
    "<|im_start|>system\nYou answer questions about a video from notes of what was seen and heard."
    "<|im_end|>\n<|im_start|>user\nNotes of the video:\n"
)
"""What the running context begins with."""

ASKED = "<|im_end|>\n<|im_start|>assistant\nThe answer is"
"""What ends a prompt; the answer follows after a space."""

END = "<|im_end|>"
"""What ends an answer."""

NOT_SEEN = "not seen"
"""The answer to what the notes do not tell."""

KINDS = ("heard", "read", "seen", "look", "gaze", "gap", "note")
"""Kinds of line, in the order in which a passage tells them."""


def shown(passage: Passage) -> str:
    """A passage in few words: the time it begins, and each thing once."""
    parts = []
    for kind in KINDS:
        texts = distinct(line for line in passage.lines if line.kind == kind and line.certain)
        if texts:
            parts.append(f"{kind}: {' / '.join(texts[:6])}")
    name = f" {passage.source}" if passage.source else ""
    return f"[{clock(passage.start)}{name}] {'; '.join(parts) or 'nothing new'}\n"


def question(text: str, options: Sequence[str] = ()) -> str:
    """A question as it is put after the notes; :data:`ASKED` follows."""
    if options:
        return f"Question: {text}\nOptions: {' / '.join(options)}\nAnswer with one of them."
    return f"Question: {text}\nAnswer in a few words."


def earlier(exchange: Exchange) -> str:
    """A question before this one, and what was answered."""
    return f"Earlier question: {exchange.question} Answer: {clipped(exchange.answer, 30)}\n"


def distinct(lines: Iterable[Line]) -> list[str]:
    """The texts of ``lines``, each once."""
    return list(dict.fromkeys(line.text for line in lines))


def clipped(text: str, most: int) -> str:
    """The first ``most`` words of ``text``."""
    parts = text.split()
    return text if len(parts) <= most else " ".join(parts[:most]) + " ..."


def clock(seconds: float) -> str:
    """Stream time for people: ``1:05``, ``1:00:05``."""
    whole = int(max(0.0, seconds))
    if whole >= 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"
    return f"{whole // 60}:{whole % 60:02}"
