"""What the timeline shows: segments, episodes, days and gaps."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory.archive import Archive, Episode
from memory.codec import decode_observation
from memory.segment import Gap
from memory.store import Store

_COUNTED = ("utterance", "screen_text", "object", "fixation")


@dataclass(frozen=True, slots=True)
class Node:
    """A stretch of the timeline.

    Attributes:
        level: 0 for a segment, 1 for an episode, 2 for a day.
        start, end: stream seconds.
        first, last: indices of the segments in it.
        note: one line about it; empty where there is none, or was none yet.
        picture: index of its first segment that has a thumbnail, or None.
        segments, utterances, texts, objects, fixations: how many are kept of it.
        faded: steps by which its detail has faded, 0 for none.
        source: whose it is; in a stretch of several sources, others' segments may lie between.
    """

    level: int
    start: float
    end: float
    first: int
    last: int
    note: str
    picture: int | None
    segments: int
    utterances: int
    texts: int
    objects: int
    fixations: int
    faded: int
    source: str = ""


def timeline(
    store: Store, until: float | None, levels: Collection[int], since: float | None
) -> list[Node]:
    """Nodes of the ``levels`` that overlap the stretch, by start, the coarser first.

    Raises:
        StoreError: the session cannot be read.
    """
    latest = math.inf if until is None else until
    episodes = Archive(store).episodes(until, since)
    nodes = []
    for source in store.sources:
        segments = _Segments(store, source, latest, -math.inf if since is None else since)
        if 0 in levels:
            nodes += segments.nodes(store)
        for episode in episodes:
            if episode.level in levels and segments.reaches(episode):
                note = episode.note if episode.note_known_at <= latest else ""
                nodes.append(
                    segments.span(episode.level, episode.first, episode.last, note, episode.faded)
                )
    return sorted(nodes, key=lambda node: (node.start, -node.level))


def gaps(store: Store, since: float, until: float, shortest: float = 0.0) -> list[Gap]:
    """Stretches of at least ``shortest`` seconds for which the source was away and that touch
    stream time ``since`` to ``until``, by start.

    Raises:
        StoreError: the session cannot be read.
    """
    with store.reading() as read:
        rows = read.execute(
            "SELECT kind, payload FROM observations WHERE kind = 'gap' "
            "AND start <= ? AND known_at >= ? AND known_at - start >= ? ORDER BY start",
            (until, since, shortest),
        ).fetchall()
        found = [decode_observation(kind, payload) for kind, payload in rows]
    return [gap for gap in found if isinstance(gap, Gap)]


class _Segments:
    """The segments of a stretch of one source in arrays, with running totals of what they
    hold."""

    def __init__(self, store: Store, source: str, until: float, since: float) -> None:
        self.source, self.until = source, until
        with store.reading() as read:
            rows = read.execute(
                'SELECT "index", start, end, level FROM segments WHERE source = ?1 '
                "AND start <= ?2 AND start >= (SELECT ifnull(max(start), -9e999) FROM segments "
                'WHERE source = ?1 AND start <= ?3) ORDER BY start, "index"',
                (source, until, since),
            ).fetchall()
            self.asked_from = len(rows)
            # An episode that began before the stretch is counted from its own beginning.
            if rows:
                earlier = read.execute(
                    'SELECT "index", start, end, level FROM segments NOT INDEXED '
                    'WHERE source = ?1 AND "index" < ?2 AND "index" >= '
                    "(SELECT min(first) FROM episodes WHERE source = ?1 AND last >= ?2) "
                    'ORDER BY "index"',
                    (source, rows[0][0]),
                ).fetchall()
                self.asked_from = len(earlier)
                rows = earlier + rows
            self.rows = rows
            self.indices = np.array([row[0] for row in rows], dtype=np.int64)
            first, last = (rows[0][0], rows[-1][0]) if rows else (0, -1)
            counts = np.zeros((len(_COUNTED), len(rows) + 1), dtype=np.int64)
            for segment, kind, count in read.execute(
                "SELECT o.segment, o.kind, count(*) FROM observations o "
                'JOIN segments s ON s."index" = o.segment AND s.source = ? '
                "WHERE o.segment BETWEEN ? AND ? AND o.known_at <= ? GROUP BY o.segment, o.kind",
                (source, first, last, until),
            ):
                if kind in _COUNTED:
                    counts[_COUNTED.index(kind), self._place(segment) + 1] = count
            self.totals: NDArray[np.int64] = counts.cumsum(axis=1)
            self.pictures = np.array(
                [
                    row[0]
                    for row in read.execute(
                        'SELECT m.segment FROM media m JOIN segments s ON s."index" = m.segment '
                        "WHERE m.segment BETWEEN ? AND ? AND s.source = ? AND s.end <= ? "
                        "AND length(m.thumbnail) > 0 ORDER BY m.segment",
                        (first, last, source, until),
                    )
                ],
                dtype=np.int64,
            )

    def reaches(self, episode: Episode) -> bool:
        """Whether the stretch holds some of it."""
        mine = episode.source == self.source and bool(self.rows)
        return mine and self.indices[0] <= episode.last

    def nodes(self, store: Store) -> list[Node]:
        """One for each segment of the stretch."""
        asked = self.rows[self.asked_from :]
        if not asked:
            return []
        with store.reading() as read:
            notes = dict(
                read.execute(
                    "SELECT segment, text FROM observations WHERE segment BETWEEN ? AND ? "
                    "AND kind = 'note' AND known_at <= ? AND ifnull(replaced_at, 9e999) > ? "
                    "ORDER BY id",
                    (asked[0][0], asked[-1][0], self.until, min(self.until, sys.float_info.max)),
                ).fetchall()
            )
        return [self.span(0, row[0], row[0], notes.get(row[0], ""), row[3]) for row in asked]

    def span(self, level: int, first: int, last: int, note: str, faded: int) -> Node:
        low = self._place(first)
        high = int(np.searchsorted(self.indices, last, side="right"))
        utterances, texts, objects, fixations = (
            int(n) for n in self.totals[:, high] - self.totals[:, low]
        )
        place = int(np.searchsorted(self.pictures, first))
        held = place < len(self.pictures) and self.pictures[place] <= self.rows[high - 1][0]
        return Node(
            level,
            self.rows[low][1],
            min(self.rows[high - 1][2], self.until),
            first,
            self.rows[high - 1][0],
            note,
            int(self.pictures[place]) if held else None,
            high - low,
            utterances,
            texts,
            objects,
            fixations,
            faded,
            self.source,
        )

    def _place(self, index: int) -> int:
        return int(np.searchsorted(self.indices, index))
