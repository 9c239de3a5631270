"""The part of the store that consolidation and the timeline work with: the tree of
episodes, and the taking away of old detail."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory.codec import decode_observation, decode_vector, shrink_vector
from memory.segment import Observation, Segment
from memory.store import Store, remove_lines


@dataclass(frozen=True, slots=True)
class Episode:
    """A node of the tree above the segments.

    Attributes:
        level: 1 for an episode, 2 for a day.
        first, last: indices of its segments.
        start, end: stream seconds.
        known_at: stream time from which all of it was known.
        importance: of its most important segment, [0, 1].
        note: one line about it, empty where there was nothing to tell.
        note_known_at: stream time from which the note may be used.
        faded: how many steps its detail has faded.
        source: whose segments they are; those of other sources may stand between them.
    """

    level: int
    first: int
    last: int
    start: float
    end: float
    known_at: float
    importance: float
    note: str
    note_known_at: float
    faded: int
    source: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A stored observation."""

    id: int
    segment: int
    observation: Observation


_EPISODES = (
    "SELECT e.level, e.first, e.last, a.start, b.end, e.known_at, e.importance, e.note, "
    "e.note_known_at, e.faded, e.source FROM episodes e "
    'JOIN segments a ON a."index" = e.first JOIN segments b ON b."index" = e.last '
)


class Archive:
    """Works on an open store. Every method may be called from any thread; all raise
    StoreError as the store does."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def sources(self) -> tuple[str, ...]:
        return self._store.sources

    def asked_about(self) -> frozenset[int]:
        return self._store.asked_about()

    def bytes_used(self) -> int:
        """Bytes of the file that hold something; what is free is written again first."""
        with self._store.reading() as read:
            pages, free, size = (
                read.execute(f"PRAGMA {what}").fetchone()[0]
                for what in ("page_count", "freelist_count", "page_size")
            )
        return int((pages - free) * size)

    # The tree

    def episodes(self, until: float | None = None, since: float | None = None) -> list[Episode]:
        """Episodes and days that overlap the stretch, in the order of their starts."""
        with self._store.reading() as read:
            return [
                Episode(*row)
                for row in read.execute(
                    _EPISODES + "WHERE a.start <= ifnull(?, 9e999) AND b.end >= ifnull(?, -9e999) "
                    "ORDER BY e.first, e.level",
                    (until, since),
                )
            ]

    def faded(self, step: int) -> list[Episode]:
        """Episodes faded by exactly ``step`` steps."""
        with self._store.reading() as read:
            rows = read.execute(_EPISODES + "WHERE e.level = 1 AND e.faded = ?", (step,))
            return [Episode(*row) for row in rows]

    def without_day(self, source: str) -> list[Episode]:
        """Episodes of a source that are part of no day yet, in order."""
        with self._store.reading() as read:
            rows = read.execute(
                _EPISODES + "WHERE e.level = 1 AND e.source = ?1 AND e.first > (SELECT "
                "ifnull(max(last), -1) FROM episodes WHERE level = 2 AND source = ?1) "
                "ORDER BY e.first",
                (source,),
            )
            return [Episode(*row) for row in rows]

    def gathered_until(self, source: str) -> float:
        """Stream time at which the first segment of a source that is part of no episode begins;
        minus infinity where there is none."""
        first = self._first_unparted(source, 1)
        return self._store.get(first, media=False)[0].start if first else -math.inf

    def unparted(self, source: str, until: float, limit: int) -> list[Segment]:
        """The first segments of a source that are part of no episode and known in full at
        ``until``."""
        found = []
        for segment in self._store.get(self._first_unparted(source, limit), media=False):
            if segment.known_at > until:
                break
            found.append(segment)
        return found

    def _first_unparted(self, source: str, limit: int) -> list[int]:
        with self._store.reading() as read:
            return [
                row[0]
                for row in read.execute(
                    'SELECT "index" FROM segments NOT INDEXED WHERE source = ?1 AND "index" > '
                    "(SELECT ifnull(max(last), -1) FROM episodes WHERE level = 1 AND source = ?1)"
                    ' ORDER BY "index" LIMIT ?2',
                    (source, limit),
                )
            ]

    def add(self, level: int, episodes: Sequence[Episode]) -> None:
        """Keep nodes of the tree."""
        if not episodes:
            return
        with self._store.writing("gather segments") as write:
            write.executemany(
                "INSERT INTO episodes(level, first, last, known_at, importance, note, "
                "note_known_at, faded, source) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (level, e.first, e.last, e.known_at, e.importance, e.note, e.note_known_at,
                     e.faded, e.source)
                    for e in episodes
                ],
            )  # fmt: skip

    def vectors_of(
        self, segments: Sequence[int]
    ) -> dict[int, list[tuple[float, NDArray[np.float16]]]]:
        """Weights and vectors of the lines of ``segments``, by segment."""
        found: dict[int, list[tuple[float, NDArray[np.float16]]]] = {}
        if not segments:
            return found
        with self._store.reading() as read:
            for segment, weight, blob in read.execute(
                "SELECT o.segment, o.weight, v.vector FROM observations o "
                "JOIN vectors v ON v.observation = o.id "
                "WHERE o.segment IN (SELECT value FROM json_each(?)) AND o.kind != 'note'",
                (json.dumps([int(index) for index in segments]),),
            ):
                vector = decode_vector(blob)
                found.setdefault(segment, []).append((weight, vector))
        return found

    # Fading

    def with_features(self, until: float, limit: int) -> list[Segment]:
        """The first segments that hold features and ended by ``until``, without these."""
        with self._store.reading() as read:
            held = [
                row[0]
                for row in read.execute(
                    "SELECT m.segment FROM media m INDEXED BY media_with_tensors "
                    'JOIN segments s ON s."index" = m.segment '
                    "WHERE m.tensors IS NOT NULL AND s.end <= ? ORDER BY m.segment LIMIT ?",
                    (until, limit),
                )
            ]
        return self._store.get(held, media=False)

    def drop_features(self, segments: Sequence[int]) -> None:
        if not segments:
            return
        with self._store.writing("let features go") as write:
            write.executemany(
                "UPDATE media SET tensors = NULL WHERE segment = ?", [(s,) for s in segments]
            )

    def thumbnails(self, source: str, since: float, last: int) -> list[tuple[int, float]]:
        """Index and start of a source's segments that have one, from the first that ends after
        stream time ``since`` to ``last``."""
        with self._store.reading() as read:
            return read.execute(
                'SELECT m.segment, s.start FROM media m JOIN segments s ON s."index" = m.segment '
                f"WHERE m.segment BETWEEN {_FIRST} AND :last AND s.source = :source "
                "AND length(m.thumbnail) > 0 ORDER BY m.segment",
                {"source": source, "since": since, "last": last},
            ).fetchall()

    def held(self, source: str, since: float, last: int) -> list[Held]:
        """Observations of the same segments, in the order written."""
        with self._store.reading() as read:
            return [
                Held(id_, segment, decode_observation(kind, payload))
                for id_, segment, kind, payload in read.execute(
                    "SELECT o.id, o.segment, o.kind, o.payload FROM observations o "
                    'JOIN segments s ON s."index" = o.segment '
                    f"WHERE o.segment BETWEEN {_FIRST} AND :last AND s.source = :source "
                    "AND o.kind != 'note' ORDER BY o.segment, o.id",
                    {"source": source, "since": since, "last": last},
                )
            ]

    def thin(
        self,
        episode: Episode,
        step: int,
        drop: Sequence[int],
        rewrite: dict[int, str],
        bare: Sequence[int],
    ) -> None:
        """Remove observations, shorten others, and take pictures, in one transaction."""
        with self._store.writing("let old detail go") as write:
            remove_lines(write, drop)
            write.executemany(
                "UPDATE observations SET payload = ? WHERE id = ?",
                [(payload, id_) for id_, payload in rewrite.items()],
            )
            write.executemany(
                "DELETE FROM crops WHERE observation IN "
                "(SELECT id FROM observations WHERE segment = ? AND kind = 'fixation')",
                [(s,) for s in bare],
            )
            write.executemany(
                "UPDATE media SET thumbnail = x'' WHERE segment = ?", [(s,) for s in bare]
            )
            write.execute(
                "DELETE FROM media WHERE segment BETWEEN ? AND ? AND tensors IS NULL "
                "AND length(thumbnail) = 0",
                (episode.first, episode.last),
            )
            write.execute(
                "UPDATE segments SET level = max(level, ?) "
                'WHERE "index" BETWEEN ? AND ? AND source = ?',
                (step, episode.first, episode.last, episode.source),
            )
            _mark(write, episode, step)

    def shrink_vectors(self, episode: Episode, step: int) -> None:
        """Write the embeddings of an episode in half the bytes."""
        with self._store.writing("let old embeddings shrink") as write:
            found = write.execute(
                "SELECT observation, vector FROM vectors WHERE observation IN "
                "(SELECT o.id FROM observations o "
                'JOIN segments s ON s."index" = o.segment '
                "WHERE o.segment BETWEEN ? AND ? AND s.source = ?)",
                (episode.first, episode.last, episode.source),
            ).fetchall()
            # Taken out and put back: shortened in place, they would leave half-empty pages.
            ids = [(id_,) for id_, _ in found]
            write.executemany("DELETE FROM vectors WHERE observation = ?", ids)
            write.executemany(
                "INSERT INTO vectors VALUES (?, ?)",
                [(id_, shrink_vector(blob)) for id_, blob in found],
            )
            _mark(write, episode, step)


_FIRST = (
    '(SELECT ifnull(min("index"), 0) FROM segments WHERE source = :source AND start >= '
    "(SELECT ifnull(max(start), -9e999) FROM segments "
    "WHERE source = :source AND start <= :since))"
)


def _mark(write: sqlite3.Connection, episode: Episode, step: int) -> None:
    write.execute(
        "UPDATE episodes SET faded = ? WHERE level = 1 AND first = ?", (step, episode.first)
    )
