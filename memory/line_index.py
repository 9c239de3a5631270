"""What recall needs of every findable line, at hand: some 80 bytes a line.

Embeddings are kept as their signs, one bit a dimension: the Hamming distance of signs
approximates the angle between vectors (Charikar, "Similarity Estimation Techniques from
Rounding Algorithms", STOC 2002). It picks candidates; their true vectors are read from the
store. One pass over a million lines of 384 bits reads 48 MB, where ``float32`` would be
1.5 GB. The columns are mapped files (``memory/columns.py``), so that a long session does not
weigh on the process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory.columns import Column
from memory.store import Row

_BATCH = 8192
_DEAD_SHARE = 0.25
"""Share of removed lines from which the columns are written anew without them."""


@dataclass(frozen=True, slots=True)
class Lines:
    """A snapshot of the index: ``n`` lines in the order written, and ``s`` segments.

    Attributes:
        ids: ``int64 (n,)``, growing; ``segments``: ``int32 (n,)``; ``lengths``: words,
            ``int32 (n,)``; ``weights``: ``float32 (n,)``.
        known_at: ``float64 (n,)`` stream seconds; infinite for a line that was removed.
        replaced_ids, replaced_at: ``int64`` and ``float64 (r,)``: lines in whose place others
            stand, and from which stream second.
        signs: one ``uint64 (n,)`` per 64 dimensions.
        embedded: ``bool (n,)``, whether a line has a vector.
        dimension: of the vectors, 0 while there are none.
        starts, ends: of the segments, ``float64 (s,)`` stream seconds; starts of one source
            never fall.
        sources: whose they are, ``int32 (s,)``: places in ``names``.
    """

    ids: NDArray[np.int64]
    segments: NDArray[np.int32]
    known_at: NDArray[np.float64]
    replaced_ids: NDArray[np.int64]
    replaced_at: NDArray[np.float64]
    lengths: NDArray[np.int32]
    weights: NDArray[np.float32]
    signs: tuple[NDArray[np.uint64], ...]
    embedded: NDArray[np.bool_]
    dimension: int
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    sources: NDArray[np.int32]
    names: tuple[str, ...]

    def known(self, time: float) -> NDArray[np.bool_]:
        """Which lines were known, and not yet replaced, at stream ``time``: ``bool (n,)``."""
        known = self.known_at <= time
        gone = self.replaced_ids[self.replaced_at <= time]
        known[self.positions(gone)] = False
        return known

    def positions(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the lines of ``ids`` stand, in their order; ids not held are left out."""
        if len(self.ids) == 0:
            return np.zeros(0, dtype=np.int64)
        found: NDArray[np.int64] = np.searchsorted(self.ids, ids).astype(np.int64)
        found = np.minimum(found, len(self.ids) - 1)
        held: NDArray[np.int64] = found[self.ids[found] == ids]
        return held

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
    """The lines of a session, growing. Any thread may change it or take a snapshot.

    Args:
        folder: where large columns go, in files without a name.
    """

    def __init__(
        self, spans: Iterable[tuple[float, float, str]], rows: Iterable[Row], folder: Path
    ) -> None:
        self._lock = threading.Lock()
        self._folder = folder
        self._starts = Column(np.float64, folder)
        self._ends = Column(np.float64, folder)
        self._sources = Column(np.int32, folder)
        self._names: dict[str, int] = {}
        held = list(spans)
        self._starts.extend(np.array([start for start, _, _ in held]))
        self._ends.extend(np.array([end for _, end, _ in held]))
        self._sources.extend(np.array([self._number(name) for _, _, name in held]))
        self._replaced_ids = Column(np.int64, folder)
        self._replaced_at = Column(np.float64, folder)
        self._dead = 0
        self._looked_at = True
        self._dimension = 0
        self._clear()
        rest = iter(rows)
        while batch := list(islice(rest, _BATCH)):
            self._extend(batch)

    def add_segment(self, start: float, end: float, source: str, rows: list[Row]) -> None:
        """Add the next segment with its lines."""
        with self._lock:
            self._sources.extend(np.array([self._number(source)]))
            self._starts.extend(np.array([start]))
            self._ends.extend(np.array([end]))
            self._extend(rows)

    def replace(self, replaced: dict[int, float], row: Row) -> None:
        """Add ``row``; the lines of the ids ``replaced`` count until the stream second given."""
        with self._lock:
            self._replaced_ids.extend(np.array(list(replaced), dtype=np.int64))
            self._replaced_at.extend(np.array(list(replaced.values())))
            self._extend([row])

    def remove(self, ids: Iterable[int]) -> None:
        """Forget lines that the store no longer holds."""
        with self._lock:
            self._looked_at = True
            places = self._positions(ids)
            self._known_at.view()[places] = np.inf
            self._dead += len(places)
            if self._dead > max(_BATCH, _DEAD_SHARE * len(self._ids)):
                self._compact()

    def snapshot(self) -> Lines:
        """The lines as they are now; costs nothing, whatever their number."""
        with self._lock:
            self._looked_at = True
            return self._snapshot()

    def __len__(self) -> int:
        """Lines that can be found."""
        with self._lock:
            return len(self._ids) - self._dead

    def release(self) -> None:
        """Give back the memory that looks at all lines have taken since the last time."""
        with self._lock:
            if self._looked_at:
                for column in self._columns():
                    column.release()
                self._looked_at = False

    def _snapshot(self) -> Lines:
        return Lines(
            self._ids.view(),
            self._segments.view(),
            self._known_at.view(),
            self._replaced_ids.view(),
            self._replaced_at.view(),
            self._lengths.view(),
            self._weights.view(),
            tuple(column.view() for column in self._signs),
            self._embedded.view(),
            self._dimension,
            self._starts.view(),
            self._ends.view(),
            self._sources.view(),
            tuple(self._names),
        )

    def _number(self, name: str) -> int:
        return self._names.setdefault(name, len(self._names))

    def _columns(self) -> list[Column]:
        """Those with one value a line."""
        return [
            self._ids,
            self._segments,
            self._known_at,
            self._lengths,
            self._weights,
            self._embedded,
            *self._signs,
        ]

    def _clear(self) -> None:
        self._ids = Column(np.int64, self._folder)
        self._segments = Column(np.int32, self._folder)
        self._known_at = Column(np.float64, self._folder)
        self._lengths = Column(np.int32, self._folder)
        self._weights = Column(np.float32, self._folder)
        self._embedded = Column(np.bool_, self._folder)
        self._signs = [Column(np.uint64, self._folder) for _ in range(-(-self._dimension // 64))]

    def _compact(self) -> None:
        """Write the columns anew without the dead; snapshots keep the old ones."""
        old = self._columns()
        alive = np.isfinite(self._known_at.view())
        self._clear()
        for column, earlier in zip(self._columns(), old, strict=True):
            column.extend(earlier.view()[alive])
        self._dead = 0

    def _positions(self, ids: Iterable[int]) -> NDArray[np.int64]:
        wanted = np.array(sorted(ids), dtype=np.int64)
        return self._snapshot().positions(wanted)

    def _extend(self, rows: list[Row]) -> None:
        if not rows:
            return
        dimension = max(0 if row.vector is None else len(row.vector) for row in rows)
        if dimension and not self._dimension:
            self._dimension = dimension
            for _ in range(-(-dimension // 64)):
                column = Column(np.uint64, self._folder)
                column.extend(np.zeros(len(self._ids), dtype=np.uint64))
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
        replaced = [row for row in rows if np.isfinite(row.replaced_at)]
        if replaced:
            self._replaced_ids.extend(np.array([row.id for row in replaced]))
            self._replaced_at.extend(np.array([row.replaced_at for row in replaced]))


def _signs(vectors: NDArray[Any]) -> list[NDArray[np.uint64]]:
    """Signs of ``(n, D)`` vectors: one ``uint64 (n,)`` per 64 dimensions."""
    packed = np.packbits(vectors > 0, axis=1)
    padded = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8)))
    return list(np.ascontiguousarray(padded).view(np.uint64).T)
