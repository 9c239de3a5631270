"""Which earlier questions a question refers to: "the person I asked about"."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memory.segment import Turn
from memory.words import terms

LATEST = 500
"""Turns that are looked at, the latest of them."""

NEAR = 0.35
"""Cosine from which a question without words of reference is about an earlier one."""

_ASKED = (
    r"(?:(?:i|we)\s+(?:just\s+|already\s+|had\s+|have\s+)*"
    r"(?:asked|ask|mentioned|wanted\s+to\s+know|said)"
    r"|did\s+(?:i|we)\s+(?:just\s+)?(?:ask|say|mention)"
    r"|(?:you|u)\s+(?:just\s+|already\s+|had\s+|have\s+)*"
    r"(?:told|tell|said|say|mentioned|answered|answer|named|described)"
    r"|did\s+you\s+(?:just\s+)?(?:tell|say|answer|mention|mean)"
    r"|(?:my|our)\s+(?:\w+\s+)?questions?|(?:your|the)\s+(?:\w+\s+)?answers?)"
)
_REFERS = re.compile(rf"\b{_ASKED}\b", re.IGNORECASE)
_WHAT = re.compile(
    rf"\b(?:the|that|this|those|these)\s+(?P<what>[\w' -]+?)\s+(?:that\s+|which\s+|whom?\s+)?"
    rf"{_ASKED}\b",
    re.IGNORECASE,
)
_FIRST = re.compile(r"\b(?:my|the|our|your)\s+(?:very\s+)?first\b|\bat\s+first\b", re.IGNORECASE)
_GOES_ON = re.compile(
    r"^\s*(?:and|but|so|then|what about|how about)\b"
    r"|\b(?:he|him|his|she|her|hers|it|its|they|them|their|there)\b|\b(?:that|this|those|these)"
    r"(?:\s+(?:one|person|man|woman|place|thing))?\s*(?:[?.!,]|$)|\b(?:again|the same)\b",
    re.IGNORECASE,
)
# What a question word asks for, in the words by which people refer back to it.
_ASKS_FOR = {
    "who": "person man woman name", "whom": "person man woman name", "whose": "person owner",
    "where": "place location", "when": "time moment", "why": "reason cause",
    "how many": "number count", "how much": "price amount cost", "costs?": "price amount",
}  # fmt: skip

_HOLLOW_WORDS = (
    "question questions answer answers ask asked before earlier previously previous again last "
    "first about now then same one thing"
)
_HOLLOW = frozenset(_HOLLOW_WORDS.split())


def relevant_turns(
    question: str,
    vector: NDArray[np.float32] | None,
    turns: Sequence[tuple[Turn, NDArray[np.float16] | None]],
    k: int,
) -> list[Turn]:
    """The ``k`` turns that ``question`` most likely refers to, the likeliest first.

    A question that says it refers back ("the person I asked about", "what did you say?") or
    leans on what came before ("and where is she now?") always finds one, the latest that
    fits best; any other only turns that are about the same.

    Args:
        vector: the question's embedding, unit length ``(D,)``, or None to go by words.
        turns: earlier ones, oldest first, with the embeddings they were kept with.
    """
    if not turns or k <= 0:
        return []
    named = _WHAT.search(question)
    refers, goes_on = _REFERS.search(question), _GOES_ON.search(question)
    rest = named["what"] if named else _REFERS.sub(" ", question) if refers else question
    wanted = set(terms(rest)) - _HOLLOW
    scores = np.array([_alike(wanted, turn, vector, held) for turn, held in turns])
    # One turn later weighs little beside a word in common, but decides among equals.
    order = np.arange(len(turns)) / len(turns)
    if refers or goes_on:
        newest = _FIRST.search(question) is None
        recency = order if newest else -order
        weight = 1.0 if not wanted else 0.3 if not named else 0.15
        ranked = np.argsort(-(scores + weight * recency), kind="stable")
        return [turns[i][0] for i in ranked[:k]]
    ranked = np.argsort(-(scores + 0.01 * order), kind="stable")
    return [turns[i][0] for i in ranked[:k] if scores[i] >= NEAR]


def _alike(
    wanted: set[str],
    turn: Turn,
    vector: NDArray[np.float32] | None,
    held: NDArray[np.float16] | None,
) -> float:
    """How much a turn is about the same: shared words and meaning, about [0, 2]."""
    lowered = turn.question.lower()
    kinds = " ".join(kind for word, kind in _ASKS_FOR.items() if re.search(rf"\b{word}\b", lowered))
    shared = wanted & set(terms(f"{turn.question} {turn.answer} {kinds}"))
    words = len(shared) / len(wanted) if wanted else 0.0
    meaning = 0.0
    if vector is not None and held is not None and len(held) == len(vector) and wanted:
        meaning = max(0.0, float(held.astype(np.float32) @ vector))
    return words * 0.7 + meaning
