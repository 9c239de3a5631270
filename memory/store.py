"""The segments on disk: one SQLite file a session.

What :meth:`Store.append` returned from is on disk: the journal is a write-ahead log,
synced at every commit (``synchronous=FULL``), so neither a killed process nor a power
cut takes an acknowledged segment. Readers have connections of their own; in WAL mode they
never wait for the writer nor the writer for them (https://sqlite.org/wal.html).
"""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from memory.codec import (
    NOTE_WEIGHT,
    DamageError,
    decode_features,
    decode_note,
    decode_numbers,
    decode_observation,
    decode_vector,
    encode_features,
    encode_observation,
    encode_vector,
    entries,
    kind_of,
    text_of,
)
from memory.segment import Fixation, Note, Observation, Segment, Turn
from memory.session_file import (
    StoreError,
    check_file,
    check_version,
    check_whole,
    connect,
    create,
    explain,
    has_log,
    lock,
    migrate,
    reading_uri,
)
from memory.wall_clock import Anchor, WallClock, from_text, to_text

__all__ = ["Row", "Store", "StoreError"]


@dataclass(frozen=True, slots=True)
class Row:
    """One findable line as the index needs it.

    Attributes:
        id: of the observation in the file; grows with every append.
        segment: index of the segment it belongs to.
        known_at: stream time from which it may be used.
        length: words in it.
        weight: how much a hit counts.
        vector: the line's embedding, ``float16`` of shape ``(D,)``, or None.
        replaced_at: stream time from which another stands in its place.
    """

    id: int
    segment: int
    known_at: float
    length: int
    weight: float
    vector: NDArray[np.float16] | None
    replaced_at: float = math.inf


class Store:
    """One session's file. One writer at a time, in any one thread; any readers.

    Args:
        path: the file; made where it is absent, unless ``read_only``.
        read_only: never write, and take no lock: allowed beside a process that writes.

    Attributes:
        wall_clock: what clocks showed at the stream's times, where that is known.

    Raises:
        StoreError: the file is in use by another process, is not a session, is damaged,
            was written by a newer Onlooker, or may not be written.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self._lock = threading.RLock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._held: IO[str] | None = None
        self._writer: sqlite3.Connection | None = None
        if read_only and not path.exists():
            raise StoreError(f"{path}: there is no such session")
        try:
            with self._explained("open"):
                if path.exists():
                    check_file(path, read_only)
                if not read_only:
                    self._held = lock(path)
                    if not path.exists():
                        create(path)
                    killed = has_log(path)
                    self._writer = connect(f"{path.resolve().as_uri()}?mode=rw")
                    self._writer.execute("PRAGMA synchronous = FULL")
                    migrate(self._writer, path)
                    if killed:
                        check_whole(self._writer, path)
                with self._connection() as connection:
                    check_version(connection, path)
                    last = connection.execute('SELECT max("index") FROM segments').fetchone()[0]
                    sources = connection.execute(
                        "SELECT source, max(start) FROM segments "
                        'GROUP BY source ORDER BY min("index")'
                    ).fetchall()
                    anchors = _anchors(connection, path)
        except BaseException:
            self.close()
            raise
        self.wall_clock = WallClock(anchors) if anchors else None
        self._next: int = 0 if last is None else last + 1
        self._starts: dict[str, float] = dict(sources)  # of each source's last segment

    @property
    def next_index(self) -> int:
        """The index the next appended segment must have."""
        return self._next

    def watched_at(self, anchor: Anchor) -> None:
        """Keep what the clock on the wall showed at a stream time, in place of what was known
        of that time and later. Raises StoreError."""
        known = () if self.wall_clock is None else self.wall_clock.anchors
        anchors = (*(each for each in known if each.time < anchor.time), anchor)
        with self.writing("keep the time of day") as write:
            write.execute(
                "INSERT OR REPLACE INTO about VALUES ('wall_clock', ?)", (to_text(anchors),)
            )
        self.wall_clock = WallClock(anchors)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources that have segments, in the order of their first."""
        return tuple(self._starts)

    # Writing

    def append(self, segment: Segment, vectors: NDArray[np.float32] | None = None) -> list[Row]:
        """Write a segment; it is on disk when this returns.

        Args:
            segment: the next one; its ``index`` must be :attr:`next_index`.
            vectors: one row per entry of :func:`memory.codec.entries`, shape ``(n, D)``.

        Returns:
            The findable lines, as stored.

        Raises:
            StoreError: the disk is full, the segment is out of order, or the session is
                read-only. Nothing of the segment is kept then; earlier ones are untouched.
        """
        found = entries(segment)
        if vectors is not None and len(vectors) != len(found):
            raise ValueError(f"{len(vectors)} vectors for {len(found)} lines")
        halves = None if vectors is None else np.asarray(vectors, dtype=np.float16)
        numbers = {entry.position: number for number, entry in enumerate(found)}
        with self.writing(f"write segment {segment.index}") as write:
            self._check_order(segment)
            write.execute(
                'INSERT INTO segments("index", start, end, closed_by, source, level) '
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    segment.index,
                    float(segment.start),
                    float(segment.end),
                    segment.closed_by,
                    segment.source,
                    segment.level,
                ),
            )
            if segment.thumbnail or segment.features is not None:
                tensors = (
                    None
                    if segment.features is None
                    else encode_features(segment.features, segment.feature_times)
                )
                write.execute(
                    "INSERT INTO media VALUES (?, ?, ?)",
                    (segment.index, segment.thumbnail, tensors),
                )
            rows = []
            for position, observation in enumerate(segment.observations):
                number = numbers.get(position)
                weight = None if number is None else found[number].weight
                vector = None if halves is None or number is None else halves[number]
                row = _insert(
                    write,
                    segment.index,
                    kind_of(observation),
                    (observation.time, observation.known_at),
                    text_of(observation),
                    encode_observation(observation),
                    weight,
                    vector,
                )
                if weight is not None:
                    rows.append(row)
                if isinstance(observation, Fixation) and observation.crop:
                    write.execute("INSERT INTO crops VALUES (?, ?)", (row.id, observation.crop))
            if segment.note is not None:
                vector = None if halves is None else halves[-1]
                known_at = max(segment.known_at, segment.note.written_at)
                rows.append(_insert_note(write, segment.index, segment.note, known_at, vector))
        self._next = segment.index + 1
        self._starts = {**self._starts, segment.source: segment.start}
        return rows

    def write_note(
        self, index: int, note: Note, vector: NDArray[np.float32] | None = None
    ) -> tuple[Row, dict[int, float]]:
        """Set the note of a segment, in place of one it had.

        The earlier note stays what was known before this one was written.

        Returns:
            The stored line, and the ids of those it replaced with the stream time it did so;
            minus infinity for one that is gone altogether.

        Raises:
            StoreError: no such segment, a full disk, or a read-only session.
        """
        with self.writing(f"write the note of segment {index}") as write:
            known = write.execute(
                "SELECT max(s.end, coalesce(max(o.known_at), s.end)) FROM segments s LEFT JOIN "
                "observations o ON o.segment = s.\"index\" AND o.kind != 'note' "
                'WHERE s."index" = ? GROUP BY s."index"',
                (index,),
            ).fetchone()
            if known is None:
                raise StoreError(f"{self.path}: there is no segment {index} to write a note of")
            known_at = max(known[0], note.written_at)
            replaced = {}
            for id_, earlier in write.execute(
                "SELECT id, known_at FROM observations "
                "WHERE segment = ? AND kind = 'note' AND replaced_at IS NULL",
                (index,),
            ).fetchall():
                if earlier < known_at:
                    write.execute(
                        "UPDATE observations SET replaced_at = ? WHERE id = ?", (known_at, id_)
                    )
                    replaced[id_] = known_at
                else:
                    remove_lines(write, [id_])
                    replaced[id_] = -math.inf
            half = None if vector is None else np.asarray(vector, dtype=np.float16)
            row = _insert_note(write, index, note, known_at, half)
        return row, replaced

    def remember(self, turn: Turn, vector: NDArray[np.float32] | None = None) -> None:
        """Keep a question and its answer. Raises StoreError as :meth:`append` does."""
        with self.writing("write a question and its answer") as write:
            write.execute(
                "INSERT INTO turns(time, question, answer, known_at, segments, vector) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    float(turn.time),
                    turn.question,
                    turn.answer,
                    float(turn.known_at),
                    _json(turn.segments),
                    None if vector is None else encode_vector(vector),
                ),
            )

    # Reading

    def segments(
        self,
        until: float | None = None,
        since_index: int = 0,
        limit: int | None = None,
        media: bool = True,
    ) -> list[Segment]:
        """Segments from ``since_index`` on, in order, as they were known at ``until``.

        ``media`` False leaves out pictures and features, which are most of the bytes.
        """
        with self.reading() as read:
            found = [
                row[0]
                for row in read.execute(
                    'SELECT "index" FROM segments WHERE "index" >= ? AND start <= ? '
                    'ORDER BY "index" LIMIT ?',
                    (
                        since_index,
                        math.inf if until is None else until,
                        -1 if limit is None else limit,
                    ),
                )
            ]
            segments = _read(read, found, media, until)
        if until is None:
            return segments
        return [cut for segment in segments if (cut := segment.as_of(until)) is not None]

    def latest(
        self, count: int, until: float | None = None, source: str | None = None
    ) -> list[Segment]:
        """The last ``count`` segments that had begun at ``until``, by start, as they were known
        then; of one source, where it is named. Without pictures and features.
        """
        latest = math.inf if until is None else until
        where, which = ("", ()) if source is None else (" AND source = ?", (source,))
        with self.reading() as read:
            found = [
                row[0]
                for row in read.execute(
                    f'SELECT "index" FROM segments WHERE start <= ?{where} '
                    'ORDER BY start DESC, "index" DESC LIMIT ?',
                    (latest, *which, count),
                )
            ]
            segments = _read(read, found[::-1], False, until)
        return [cut for segment in segments if (cut := segment.as_of(latest)) is not None]

    def get(
        self, indices: Sequence[int], media: bool = True, until: float | None = None
    ) -> list[Segment]:
        """The named segments, in the order named; with the notes they had at ``until``.

        Of what they hold, nothing is cut: :meth:`memory.segment.Segment.as_of` does that.
        """
        with self.reading() as read:
            return _read(read, indices, media, until)

    def thumbnail(self, index: int) -> bytes:
        """The JPEG of a segment, empty where there is none."""
        with self.reading() as read:
            row = read.execute(
                "SELECT thumbnail FROM media WHERE segment = ?", (int(index),)
            ).fetchone()
        return b"" if row is None else bytes(row[0])

    def turns(self, until: float | None = None, limit: int | None = None) -> list[Turn]:
        """Questions put and answered at or before ``until``, oldest first; of these, where
        there is a limit, the latest."""
        return [turn for turn, _ in self.turns_with_vectors(until, limit)]

    def turns_with_vectors(
        self, until: float | None = None, limit: int | None = None
    ) -> list[tuple[Turn, NDArray[np.float16] | None]]:
        """The same, with the vectors they were remembered with."""
        with self.reading() as read:
            found = read.execute(
                "SELECT time, question, answer, known_at, segments, vector FROM turns "
                "WHERE time <= ? AND coalesce(known_at, time) <= ? "
                "ORDER BY time DESC, id DESC LIMIT ?",
                (*[math.inf if until is None else until] * 2, -1 if limit is None else limit),
            ).fetchall()
            turns = []
            for time, question, answer, known_at, segments, blob in reversed(found):
                answered = None if known_at is None or known_at == time else known_at
                turn = Turn(time, question, answer, answered, decode_numbers(segments))
                turns.append((turn, None if blob is None else decode_vector(blob)))
        return turns

    def asked_about(self, until: float | None = None) -> frozenset[int]:
        """Segments that answers given at or before ``until`` rested on."""
        with self.reading() as read:
            return frozenset(
                row[0]
                for row in read.execute(
                    "SELECT j.value FROM turns t, json_each(t.segments) j WHERE t.segments != '[]' "
                    "AND t.time <= ?1 AND coalesce(t.known_at, t.time) <= ?1",
                    (math.inf if until is None else until,),
                )
            )

    def spans(self) -> list[tuple[float, float, str]]:
        """Start, end and source of every segment, by index."""
        with self.reading() as read:
            return read.execute(
                'SELECT start, end, source FROM segments ORDER BY "index"'
            ).fetchall()

    def rows(self) -> Iterator[Row]:
        """Every findable line, in the order written."""
        with self.reading() as read:
            for id_, segment, known_at, text, weight, blob, replaced_at in read.execute(
                "SELECT o.id, o.segment, o.known_at, o.text, o.weight, v.vector, o.replaced_at "
                "FROM observations o LEFT JOIN vectors v ON v.observation = o.id "
                "WHERE o.weight IS NOT NULL ORDER BY o.id"
            ):
                vector = None if blob is None else decode_vector(blob)
                until = math.inf if replaced_at is None else replaced_at
                yield Row(id_, segment, known_at, len(text.split()), weight, vector, until)

    def matching(self, word: str, low: int, high: int, limit: int) -> list[int]:
        """Ids in ``[low, high]`` of lines that hold ``word`` (stemmed), newest first.

        Args:
            word: letters and digits alone.
        """
        with self.reading("search") as read:
            return [
                row[0]
                for row in read.execute(
                    "SELECT rowid FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ? "
                    "ORDER BY rowid DESC LIMIT ?",
                    (f'"{word}"', low, high, limit),
                )
            ]

    def vectors(self, ids: Sequence[int]) -> dict[int, NDArray[np.float16]]:
        """Embeddings of the named lines, where they have one."""
        with self.reading() as read:
            return {
                id_: decode_vector(blob)
                for id_, blob in read.execute(
                    "SELECT observation, vector FROM vectors "
                    "WHERE observation IN (SELECT value FROM json_each(?))",
                    (_json(ids),),
                )
            }

    def texts(self, ids: Sequence[int]) -> dict[int, str]:
        """Words of the named lines."""
        with self.reading() as read:
            return dict(
                read.execute(
                    "SELECT id, text FROM observations "
                    "WHERE id IN (SELECT value FROM json_each(?))",
                    (_json(ids),),
                ).fetchall()
            )

    def bytes(self) -> int:
        """Size of the session on disk, write-ahead log included."""
        files = (self.path, Path(f"{self.path}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        """Give back the file. Closing twice is allowed; reads under way fail clearly."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            for connection in idle:
                connection.close()
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            if self._held is not None:
                self._held.close()
                self._held = None

    def _check_order(self, segment: Segment) -> None:
        if segment.index != self._next:
            raise StoreError(
                f"{self.path}: segment {segment.index} came where {self._next} was due"
            )
        if not (math.isfinite(segment.start) and math.isfinite(segment.end)):
            raise StoreError(f"{self.path}: segment {segment.index} has no finite start and end")
        last = self._starts.get(segment.source, -math.inf)
        if segment.end < segment.start or segment.start < last:
            raise StoreError(
                f"{self.path}: segment {segment.index} runs from {segment.start:.3f} to "
                f"{segment.end:.3f} s after one from {last:.3f} s: the stream's clock "
                "went back; start a new session"
            )

    @contextlib.contextmanager
    def reading(self, what: str = "read") -> Iterator[sqlite3.Connection]:
        """A connection to read by. Raises StoreError for what goes wrong in it."""
        with self._explained(what), self._connection() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self, what: str) -> Iterator[sqlite3.Connection]:
        """One transaction, kept as a whole or not at all. Raises StoreError."""
        with self._lock, self._explained(what):
            if self._writer is None:
                why = "is closed" if self._closed else "was opened for reading alone"
                raise StoreError(f"{self.path}: cannot {what}: the session {why}")
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                # A full disk may have rolled back already.
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._closed:
                raise StoreError(f"{self.path}: the session is closed")
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = connect(reading_uri(self.path))
        try:
            yield connection
        finally:
            with self._lock:
                if self._closed or len(self._idle) >= 4:
                    connection.close()
                else:
                    self._idle.append(connection)

    @contextlib.contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: cannot {what}: {explain(error)}") from error
        except (DamageError, UnicodeDecodeError) as error:
            # SQLite hands on damaged text as it is, in its own messages too.
            which = error if isinstance(error, DamageError) else "its text is not readable"
            raise StoreError(
                f"{self.path}: cannot {what}: the file is damaged ({which}); restore it from a copy"
            ) from error
        except OSError as error:
            raise StoreError(f"{self.path}: cannot {what}: {error.strerror or error}") from error


def _json(numbers: Sequence[int]) -> str:
    """A list for ``json_each``: any length in one statement."""
    return json.dumps([int(number) for number in numbers])


def _insert(
    write: sqlite3.Connection,
    segment: int,
    kind: str,
    times: tuple[float, float],
    text: str,
    payload: str,
    weight: float | None,
    vector: NDArray[np.float16] | None,
) -> Row:
    start, known_at = (float(time) for time in times)
    cursor = write.execute(
        "INSERT INTO observations(segment, kind, start, known_at, text, payload, weight) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (segment, kind, start, known_at, text, payload, weight),
    )
    id_ = cursor.lastrowid
    assert id_ is not None
    if weight is not None:
        write.execute("INSERT INTO words(rowid, text) VALUES (?, ?)", (id_, text))
        if vector is not None:
            write.execute("INSERT INTO vectors VALUES (?, ?)", (id_, encode_vector(vector)))
    return Row(id_, segment, known_at, len(text.split()), weight or 0.0, vector)


def _insert_note(
    write: sqlite3.Connection,
    segment: int,
    note: Note,
    known_at: float,
    vector: NDArray[np.float16] | None,
) -> Row:
    payload = json.dumps(asdict(note), default=float)
    times = (note.start, known_at)
    return _insert(write, segment, "note", times, note.text, payload, NOTE_WEIGHT, vector)


def remove_lines(write: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Take observations out of the file, and out of what can be found."""
    for id_ in ids:
        # The index of words must be told the words that it is to forget.
        write.execute(
            "INSERT INTO words(words, rowid, text) SELECT 'delete', id, text "
            "FROM observations WHERE id = ? AND weight IS NOT NULL",
            (id_,),
        )
        write.execute("DELETE FROM vectors WHERE observation = ?", (id_,))
        write.execute("DELETE FROM crops WHERE observation = ?", (id_,))
        write.execute("DELETE FROM observations WHERE id = ?", (id_,))


def _read(
    read: sqlite3.Connection, indices: Sequence[int], media: bool, until: float | None
) -> list[Segment]:
    wanted = _json(indices)
    among = "IN (SELECT value FROM json_each(?))"
    latest = math.inf if until is None else until
    heads = {
        row[0]: row
        for row in read.execute(
            'SELECT "index", start, end, closed_by, source, level FROM segments '
            f'WHERE "index" {among}',
            (wanted,),
        )
    }
    crops: dict[int, bytes] = {}
    if media:
        crops = dict(
            read.execute(
                "SELECT c.observation, c.jpeg FROM crops c JOIN observations o "
                f"ON o.id = c.observation WHERE o.segment {among}",
                (wanted,),
            )
        )
    observations: dict[int, list[Observation]] = {}
    notes: dict[int, Note] = {}
    for id_, segment, kind, payload in read.execute(
        f"SELECT id, segment, kind, payload FROM observations WHERE segment {among} AND "
        "(kind != 'note' OR (known_at <= ? AND ifnull(replaced_at, 9e999) > ?)) ORDER BY id",
        (wanted, latest, min(latest, sys.float_info.max)),
    ):
        if kind == "note":
            notes[segment] = decode_note(payload)
            continue
        seen = decode_observation(kind, payload)
        if isinstance(seen, Fixation) and id_ in crops:
            seen = replace(seen, crop=crops[id_])
        observations.setdefault(segment, []).append(seen)
    kept = {}
    if media:
        kept = {
            row[0]: (row[1], row[2])
            for row in read.execute(
                f"SELECT segment, thumbnail, tensors FROM media WHERE segment {among}", (wanted,)
            )
        }
    segments = []
    for index in indices:
        if index not in heads:
            raise StoreError(f"there is no segment {index}")
        _, start, end, closed_by, source, level = heads[index]
        thumbnail, blob = kept.get(index, (b"", None))
        features, times = (None, ()) if blob is None else decode_features(blob)
        segments.append(
            Segment(
                index=index,
                start=start,
                end=end,
                observations=tuple(observations.get(index, ())),
                closed_by=closed_by,
                thumbnail=thumbnail,
                features=features,
                feature_times=times,
                source=source,
                level=level,
                note=notes.get(index),
            )
        )
    return segments


def _anchors(connection: sqlite3.Connection, path: Path) -> tuple[Anchor, ...]:
    row = connection.execute("SELECT value FROM about WHERE key = 'wall_clock'").fetchone()
    try:
        return () if row is None else from_text(row[0])
    except ValueError as error:
        raise StoreError(f"{path}: the session is damaged ({error}); restore a copy") from error
