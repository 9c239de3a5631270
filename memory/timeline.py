"""What the timeline shows: segments, episodes, days and gaps."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory.archive import Archive
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


def timeline(
    store: Store, until: float | None, levels: Collection[int], since: float | None
) -> list[Node]:
    """Nodes of the ``levels`` that overlap the stretch, by start, the coarser first.

    Raises:
        StoreError: the session cannot be read.
    """
    latest = math.inf if until is None else until
    segments = _Segments(store, latest, -math.inf if since is None else since)
    nodes = []
    if 0 in levels:
        notes = segments.notes(store)
        nodes = [segments.node(index, notes.get(index, "")) for index in segments.indices()]
    for episode in Archive(store).episodes(until, since):
        if episode.level in levels:
            note = episode.note if episode.note_known_at <= latest else ""
            node = segments.span(episode.level, episode.first, episode.last, note, episode.faded)
            nodes.append(node)
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
    """The segments of a stretch in arrays, with running totals of what they hold."""

    def __init__(self, store: Store, until: float, since: float) -> None:
        with store.reading() as read:
            rows = read.execute(
                'SELECT "index", start, end, level FROM segments WHERE start <= ? AND "index" >= '
                '(SELECT ifnull(min("index"), 0) FROM segments WHERE start >= '
                "(SELECT ifnull(max(start), -9e999) FROM segments WHERE start <= ?)) "
                'ORDER BY "index"',
                (until, since),
            ).fetchall()
            # An episode that began before the stretch is counted from its own beginning.
            self.offset = rows[0][0] if rows else 0
            episode = read.execute(
                "SELECT min(first) FROM episodes WHERE last >= ?", (self.offset,)
            ).fetchone()[0]
            if rows and episode is not None and episode < self.offset:
                rows = (
                    read.execute(
                        'SELECT "index", start, end, level FROM segments '
                        'WHERE "index" BETWEEN ? AND ? ORDER BY "index"',
                        (episode, self.offset - 1),
                    ).fetchall()
                    + rows
                )
            self.asked_from = self.offset
            self.offset = rows[0][0] if rows else 0
            self.rows = rows
            self.until = until
            last = self.offset + len(rows) - 1
            counts = np.zeros((len(_COUNTED), len(rows) + 1), dtype=np.int64)
            for segment, kind, count in read.execute(
                "SELECT segment, kind, count(*) FROM observations "
                "WHERE segment BETWEEN ? AND ? AND known_at <= ? GROUP BY segment, kind",
                (self.offset, last, until),
            ):
                if kind in _COUNTED:
                    counts[_COUNTED.index(kind), segment - self.offset + 1] = count
            self.totals: NDArray[np.int64] = counts.cumsum(axis=1)
            self.pictures = np.array(
                [
                    row[0]
                    for row in read.execute(
                        'SELECT m.segment FROM media m JOIN segments s ON s."index" = m.segment '
                        "WHERE m.segment BETWEEN ? AND ? AND s.end <= ? "
                        "AND length(m.thumbnail) > 0 ORDER BY m.segment",
                        (self.offset, last, until),
                    )
                ],
                dtype=np.int64,
            )

    def indices(self) -> range:
        return range(self.asked_from, self.offset + len(self.rows))

    def notes(self, store: Store) -> dict[int, str]:
        with store.reading() as read:
            return dict(
                read.execute(
                    "SELECT segment, text FROM observations WHERE segment BETWEEN ? AND ? "
                    "AND kind = 'note' AND known_at <= ? AND ifnull(replaced_at, 9e999) > ? "
                    "ORDER BY id",
                    (
                        self.asked_from,
                        self.offset + len(self.rows),
                        self.until,
                        min(self.until, sys.float_info.max),
                    ),
                ).fetchall()
            )

    def node(self, index: int, note: str) -> Node:
        return self.span(0, index, index, note, self.rows[index - self.offset][3])

    def span(self, level: int, first: int, last: int, note: str, faded: int) -> Node:
        low = first - self.offset
        high = min(last - self.offset + 1, len(self.rows))
        utterances, texts, objects, fixations = (
            int(n) for n in self.totals[:, high] - self.totals[:, low]
        )
        place = int(np.searchsorted(self.pictures, first))
        held = place < len(self.pictures) and self.pictures[place] < self.offset + high
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
        )
