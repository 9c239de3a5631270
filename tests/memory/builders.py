"""Small segments and a cheap embedder, for the tests of memory."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memory.segment import Observation, Segment, Utterance


def hashed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Unit vectors in which texts that share words are near each other."""
    vectors = np.zeros((len(texts), 64), dtype=np.float32)
    for row, text in zip(vectors, texts, strict=True):
        for word in text.lower().split():
            row += np.random.default_rng(zlib.crc32(word.encode())).standard_normal(64)
        row /= max(float(np.linalg.norm(row)), 1e-6)
    return vectors


def said(text: str, start: float, end: float | None = None) -> Utterance:
    return Utterance(start, start + 2.0 if end is None else end, text)


def segment(index: int, *observations: Observation, start: float | None = None) -> Segment:
    """Segment ``index`` of five seconds each."""
    begin = 5.0 * index if start is None else start
    ordered = tuple(sorted(observations, key=lambda o: (o.known_at, o.time)))
    return Segment(index, begin, begin + 5.0, ordered, "length")
