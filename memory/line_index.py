"""What recall needs of every findable line, in memory: some 80 bytes a line.

Embeddings are kept as their signs, one bit a dimension: the Hamming distance of signs
approximates the angle between vectors (Charikar, "Similarity Estimation Techniques from
Rounding Algorithms", STOC 2002). It picks candidates; their true vectors are read from the
store. One pass over a million lines of 384 bits reads 48 MB, where ``float32`` would be
1.5 GB.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory.store import Row

_BATCH = 8192


class _Column:
    """A growing array. Views of it stay valid, and as they were, while it grows."""

    def __init__(self, dtype: type[Any]) -> None:
        self._data = np.zeros(1024, dtype=dtype)
        self._length = 0

    def extend(self, values: NDArray[Any]) -> None:
        need = self._length + len(values)
        if need > len(self._data):
            grown = np.zeros(max(need, 2 * len(self._data)), dtype=self._data.dtype)
            grown[: self._length] = self._data[: self._length]
            self._data = grown
        self._data[self._length : need] = values
        self._length = need

    def view(self) -> NDArray[Any]:
        return self._data[: self._length]


@dataclass(frozen=True, slots=True)
class Lines:
    """A snapshot of the index: ``n`` lines in the order written, and ``s`` segments.

    Attributes:
        ids: ``int64 (n,)``, growing; ``segments``: ``int32 (n,)``; ``lengths``: words,
            ``int32 (n,)``; ``weights``: ``float32 (n,)``.
        known_at: ``float64 (n,)`` stream seconds; infinite for a line that was replaced.
        signs: one ``uint64 (n,)`` per 64 dimensions.
        embedded: ``bool (n,)``, whether a line has a vector.
        dimension: of the vectors, 0 while there are none.
        starts, ends: of the segments, ``float64 (s,)`` stream seconds; starts never fall.
    """

    ids: NDArray[np.int64]
    segments: NDArray[np.int32]
    known_at: NDArray[np.float64]
    lengths: NDArray[np.int32]
    weights: NDArray[np.float32]
    signs: tuple[NDArray[np.uint64], ...]
    embedded: NDArray[np.bool_]
    dimension: int
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]

    def nearest(
        self, vector: NDArray[np.float32], allowed: NDArray[np.bool_], count: int
    ) -> NDArray[np.int64]:
        """Positions of the ``count`` allowed lines nearest in sign to ``vector``, ascending.

        Of lines equally far, the later win; lines not allowed change nothing.
        """
        if self.dimension == 0:
            return np.zeros(0, dtype=np.int64)
        distance = np.zeros(len(self.ids), dtype=np.uint16)
        for column, bits in zip(self.signs, _signs(vector[None]), strict=True):
            distance += np.bitwise_count(column ^ bits)
        distance[~(allowed & self.embedded)] = self.dimension + 1
        within = np.cumsum(np.bincount(distance, minlength=self.dimension + 2))[:-1]
        if within[-1] <= count:
            return np.flatnonzero(distance <= self.dimension)
        limit = int(np.searchsorted(within, count))
        nearer = np.flatnonzero(distance < limit)
        at_limit = np.flatnonzero(distance == limit)[len(nearer) - count :]
        return np.sort(np.concatenate([nearer, at_limit]))


class LineIndex:
    """The lines of a session, growing. Any thread may add or take a snapshot."""

    def __init__(self, spans: Iterable[tuple[float, float]], rows: Iterable[Row]) -> None:
        self._lock = threading.Lock()
        self._ids = _Column(np.int64)
        self._segments = _Column(np.int32)
        self._known_at = _Column(np.float64)
        self._lengths = _Column(np.int32)
        self._weights = _Column(np.float32)
        self._embedded = _Column(np.bool_)
        self._signs: list[_Column] = []
        self._dimension = 0
        self._starts = _Column(np.float64)
        self._ends = _Column(np.float64)
        ends = np.array(list(spans), dtype=np.float64).reshape(-1, 2)
        self._starts.extend(ends[:, 0])
        self._ends.extend(ends[:, 1])
        rest = iter(rows)
        while batch := list(islice(rest, _BATCH)):
            self._extend(batch)

    def add_segment(self, start: float, end: float, rows: list[Row]) -> None:
        """Add the next segment with its lines."""
        with self._lock:
            self._starts.extend(np.array([start]))
            self._ends.extend(np.array([end]))
            self._extend(rows)

    def replace(self, old: Iterable[int], row: Row) -> None:
        """Forget the lines of the ids ``old``, and add ``row``."""
        with self._lock:
            for id_ in old:
                ids = self._ids.view()
                position = int(np.searchsorted(ids, id_))
                if position < len(ids) and ids[position] == id_:
                    self._known_at.view()[position] = np.inf
            self._extend([row])

    def snapshot(self) -> Lines:
        """The lines as they are now; costs nothing, whatever their number."""
        with self._lock:
            return Lines(
                self._ids.view(),
                self._segments.view(),
                self._known_at.view(),
                self._lengths.view(),
                self._weights.view(),
                tuple(column.view() for column in self._signs),
                self._embedded.view(),
                self._dimension,
                self._starts.view(),
                self._ends.view(),
            )

    def _extend(self, rows: list[Row]) -> None:
        if not rows:
            return
        dimension = max(0 if row.vector is None else len(row.vector) for row in rows)
        if dimension and not self._dimension:
            self._dimension = dimension
            for _ in range(-(-dimension // 64)):
                column = _Column(np.uint64)
                column.extend(np.zeros(len(self._ids.view()), dtype=np.uint64))
                self._signs.append(column)
        if self._dimension:
            vectors = np.zeros((len(rows), self._dimension), dtype=np.float16)
            for number, row in enumerate(rows):
                if row.vector is not None:
                    vectors[number] = row.vector
            for column, bits in zip(self._signs, _signs(vectors), strict=True):
                column.extend(bits)
        self._ids.extend(np.array([row.id for row in rows]))
        self._segments.extend(np.array([row.segment for row in rows]))
        self._known_at.extend(np.array([row.known_at for row in rows]))
        self._lengths.extend(np.array([row.length for row in rows]))
        self._weights.extend(np.array([row.weight for row in rows]))
        self._embedded.extend(np.array([row.vector is not None for row in rows]))


def _signs(vectors: NDArray[Any]) -> list[NDArray[np.uint64]]:
    """Signs of ``(n, D)`` vectors: one ``uint64 (n,)`` per 64 dimensions."""
    packed = np.packbits(vectors > 0, axis=1)
    padded = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8)))
    return list(np.ascontiguousarray(padded).view(np.uint64).T)
