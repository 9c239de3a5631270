"""The segments on disk: one SQLite file a session.

What :meth:`Store.append` returned from is on disk: the journal is a write-ahead log,
synced at every commit (``synchronous=FULL``), so neither a killed process nor a power
cut takes an acknowledged segment. Readers have connections of their own; in WAL mode they
never wait for the writer nor the writer for them (https://sqlite.org/wal.html).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from memory.codec import (
    NOTE_WEIGHT,
    decode_features,
    decode_observation,
    encode_features,
    encode_observation,
    entries,
    kind_of,
    text_of,
)
from memory.segment import Note, Observation, Segment, Turn

APPLICATION_ID = 0x4F4E4C4B
"""Marks a SQLite file as a session of Onlooker ("ONLK")."""

_SCHEMA = """
CREATE TABLE segments(
    "index" INTEGER PRIMARY KEY, start REAL NOT NULL, end REAL NOT NULL,
    closed_by TEXT NOT NULL, source TEXT NOT NULL, level INTEGER NOT NULL);
CREATE INDEX segments_by_start ON segments(start);
CREATE TABLE media(segment INTEGER PRIMARY KEY, thumbnail BLOB NOT NULL, tensors BLOB);
CREATE TABLE observations(
    id INTEGER PRIMARY KEY AUTOINCREMENT, segment INTEGER NOT NULL, kind TEXT NOT NULL,
    start REAL NOT NULL, known_at REAL NOT NULL, text TEXT NOT NULL, payload TEXT NOT NULL,
    weight REAL);
CREATE INDEX observations_by_segment ON observations(segment);
CREATE VIRTUAL TABLE words USING fts5(
    text, content='observations', content_rowid='id', detail='none',
    tokenize='porter unicode61 remove_diacritics 2');
CREATE TABLE vectors(observation INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE turns(
    id INTEGER PRIMARY KEY, time REAL NOT NULL, question TEXT NOT NULL, answer TEXT NOT NULL);
"""

# Entry n takes a file of version n to version n + 1. A released entry is never edited.
_MIGRATIONS: tuple[str, ...] = (_SCHEMA,)

VERSION = len(_MIGRATIONS)
"""The schema version this program writes."""


class StoreError(Exception):
    """The session file cannot be used as asked; the message says why and what to do."""


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
    """

    id: int
    segment: int
    known_at: float
    length: int
    weight: float
    vector: NDArray[np.float16] | None


class Store:
    """One session's file. One writer at a time, in any one thread; any readers.

    Args:
        path: the file; made where it is absent, unless ``read_only``.
        read_only: never write, and take no lock: allowed beside a process that writes.

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
                    _check_file(path, read_only)
                if not read_only:
                    self._held = _lock(path)
                    if not path.exists():
                        _create(path)
                    killed = _has_log(path)
                    self._writer = _connect(f"{path.resolve().as_uri()}?mode=rw")
                    self._writer.execute("PRAGMA synchronous = FULL")
                    _migrate(self._writer, path)
                    if killed:
                        _check_whole(self._writer, path)
                with self._reading() as connection:
                    _check_version(connection, path)
                    last = connection.execute(
                        'SELECT "index", start FROM segments ORDER BY "index" DESC LIMIT 1'
                    ).fetchone()
        except BaseException:
            self.close()
            raise
        self._next: int = 0 if last is None else last[0] + 1
        self._start: float = -math.inf if last is None else last[1]

    @property
    def next_index(self) -> int:
        """The index the next appended segment must have."""
        return self._next

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
        with self._writing(f"write segment {segment.index}") as write:
            self._check_order(segment)
            write.execute(
                "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?)",
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
            if segment.note is not None:
                vector = None if halves is None else halves[-1]
                rows.append(
                    _insert_note(write, segment.index, segment.note, segment.known_at, vector)
                )
        self._next, self._start = segment.index + 1, segment.start
        return rows

    def write_note(
        self, index: int, note: Note, vector: NDArray[np.float32] | None = None
    ) -> tuple[Row, list[int]]:
        """Set the note of a segment, in place of one it had.

        Returns:
            The stored line, and the ids of the lines it replaced.

        Raises:
            StoreError: no such segment, a full disk, or a read-only session.
        """
        with self._writing(f"write the note of segment {index}") as write:
            known = write.execute(
                "SELECT max(s.end, coalesce(max(o.known_at), s.end)) FROM segments s LEFT JOIN "
                "observations o ON o.segment = s.\"index\" AND o.kind != 'note' "
                'WHERE s."index" = ? GROUP BY s."index"',
                (index,),
            ).fetchone()
            if known is None:
                raise StoreError(f"{self.path}: there is no segment {index} to write a note of")
            old = write.execute(
                "SELECT id, text FROM observations WHERE segment = ? AND kind = 'note'", (index,)
            ).fetchall()
            for id_, text in old:
                write.execute(
                    "INSERT INTO words(words, rowid, text) VALUES ('delete', ?, ?)", (id_, text)
                )
                write.execute("DELETE FROM vectors WHERE observation = ?", (id_,))
                write.execute("DELETE FROM observations WHERE id = ?", (id_,))
            half = None if vector is None else np.asarray(vector, dtype=np.float16)
            row = _insert_note(write, index, note, known[0], half)
        return row, [id_ for id_, _ in old]

    def remember(self, turn: Turn) -> None:
        """Keep a question and its answer. Raises StoreError as :meth:`append` does."""
        with self._writing("write a question and its answer") as write:
            write.execute(
                "INSERT INTO turns(time, question, answer) VALUES (?, ?, ?)",
                (float(turn.time), turn.question, turn.answer),
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

        ``media`` False leaves out thumbnails and features, which are most of the bytes.
        """
        with self._explained("read"), self._reading() as read:
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
            segments = _read(read, found, media)
        if until is None:
            return segments
        return [cut for segment in segments if (cut := segment.as_of(until)) is not None]

    def get(self, indices: Sequence[int], media: bool = True) -> list[Segment]:
        """The named segments, in the order named."""
        with self._explained("read"), self._reading() as read:
            return _read(read, indices, media)

    def turns(self, until: float | None = None) -> list[Turn]:
        """Questions put at or before ``until``, oldest first."""
        with self._explained("read"), self._reading() as read:
            return [
                Turn(*row)
                for row in read.execute(
                    "SELECT time, question, answer FROM turns WHERE time <= ? ORDER BY time, id",
                    (math.inf if until is None else until,),
                )
            ]

    def spans(self) -> list[tuple[float, float]]:
        """Start and end of every segment, by index."""
        with self._explained("read"), self._reading() as read:
            return read.execute('SELECT start, end FROM segments ORDER BY "index"').fetchall()

    def rows(self) -> Iterator[Row]:
        """Every findable line, in the order written."""
        with self._explained("read"), self._reading() as read:
            for id_, segment, known_at, text, weight, blob in read.execute(
                "SELECT o.id, o.segment, o.known_at, o.text, o.weight, v.vector "
                "FROM observations o LEFT JOIN vectors v ON v.observation = o.id "
                "WHERE o.weight IS NOT NULL ORDER BY o.id"
            ):
                vector = None if blob is None else np.frombuffer(blob, dtype=np.float16)
                yield Row(id_, segment, known_at, len(text.split()), weight, vector)

    def matching(self, word: str, low: int, high: int, limit: int) -> list[int]:
        """Ids in ``[low, high]`` of lines that hold ``word`` (stemmed), newest first.

        Args:
            word: letters and digits alone.
        """
        with self._explained("search"), self._reading() as read:
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
        with self._explained("read"), self._reading() as read:
            return {
                id_: np.frombuffer(blob, dtype=np.float16)
                for id_, blob in read.execute(
                    "SELECT observation, vector FROM vectors "
                    "WHERE observation IN (SELECT value FROM json_each(?))",
                    (_json(ids),),
                )
            }

    def texts(self, ids: Sequence[int]) -> dict[int, str]:
        """Words of the named lines."""
        with self._explained("read"), self._reading() as read:
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
        if segment.end < segment.start or segment.start < self._start:
            raise StoreError(
                f"{self.path}: segment {segment.index} runs from {segment.start:.3f} to "
                f"{segment.end:.3f} s after one from {self._start:.3f} s: the stream's clock "
                "went back; start a new session"
            )

    @contextlib.contextmanager
    def _writing(self, what: str) -> Iterator[sqlite3.Connection]:
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
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._closed:
                raise StoreError(f"{self.path}: the session is closed")
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = _connect(_reading_uri(self.path))
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
            raise StoreError(f"{self.path}: cannot {what}: {_explain(error)}") from error
        except OSError as error:
            raise StoreError(f"{self.path}: cannot {what}: {error.strerror or error}") from error


def _explain(error: sqlite3.Error) -> str:
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return "the disk is full; make room and go on: what was kept before is safe"
        case sqlite3.SQLITE_READONLY:
            return "the file may not be written; open it for reading, or change its permissions"
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return f"the file is damaged or not a session ({error}); restore it from a copy"
        case sqlite3.SQLITE_CANTOPEN:
            return "the file or its folder cannot be opened; check that they exist and permissions"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "another program holds the file; close it and try again"
        case _:
            return str(error)


def _json(numbers: Sequence[int]) -> str:
    """A list for ``json_each``: any length in one statement."""
    return json.dumps([int(number) for number in numbers])


def _connect(uri: str) -> sqlite3.Connection:
    # Handed from thread to thread, but used by one at a time.
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, timeout=10.0
    )
    connection.execute("PRAGMA cache_size = -8192")
    return connection


def _reading_uri(path: Path) -> str:
    # Reading a WAL file needs its -shm beside it; in a folder that may not be written, a file
    # without a log is read as the unchanging thing it is.
    fixed = not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists()
    return f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' if fixed else ''}"


def _lock(path: Path) -> IO[str]:
    """Hold the session for this process; the kernel lets go when the process ends.

    The lock is on a file beside it: closing any handle on the session file itself would
    drop SQLite's own locks (https://sqlite.org/howtocorrupt.html, section 2.2).
    """
    beside = Path(f"{path}.lock")
    try:
        held = beside.open("a+", encoding="ascii")
    except OSError as error:
        raise StoreError(f"{path}: cannot open for writing: {error.strerror or error}") from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held.seek(0)
        owner = held.read().strip() or "unknown"
        held.close()
        raise StoreError(
            f"{path}: this session is being written by process {owner}; "
            "stop that one first, or open the session for reading"
        ) from None
    # The number only makes a message better; a full disk must not stand in the way for it.
    with contextlib.suppress(OSError):
        held.truncate(0)
        held.write(str(os.getpid()))
        held.flush()
    return held


def _create(path: Path) -> None:
    """Make the file whole under another name first, so that no kill leaves half of one."""
    fresh = Path(f"{path}.new")
    for left in (fresh, Path(f"{fresh}-wal"), Path(f"{fresh}-shm")):
        left.unlink(missing_ok=True)
    connection = sqlite3.connect(fresh, isolation_level=None)
    try:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA journal_mode = WAL")
        _migrate(connection, path)
    finally:
        connection.close()
    fresh.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    _refuse_newer(version, path)
    for number in range(version, VERSION):
        connection.executescript(
            f"BEGIN IMMEDIATE; {_MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;"
        )


def _refuse_newer(version: int, path: Path) -> None:
    if version > VERSION:
        raise StoreError(
            f"{path}: written by a newer Onlooker (schema {version}; this one reads up to "
            f"{VERSION}); update Onlooker"
        )


def _has_log(path: Path) -> bool:
    """Whether writes wait in the log: a writer is at work, or was killed."""
    log = Path(f"{path}-wal")
    return log.exists() and log.stat().st_size > 0


def _check_file(path: Path, read_only: bool) -> None:
    """What can be told from the first hundred bytes (https://sqlite.org/fileformat.html)."""
    if path.is_dir():
        raise StoreError(f"{path}: a folder, not a session file")
    with path.open("rb") as file:
        header = file.read(100)
    size = path.stat().st_size
    if not header:
        raise StoreError(f"{path}: the file is empty, so not a session; delete it or restore it")
    if not header.startswith(b"SQLite format 3\0"[: len(header)]):
        raise StoreError(f"{path}: not a session of Onlooker; choose another file")
    if len(header) < 100:
        raise StoreError(f"{path}: the file is cut off; restore it from a copy")
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise StoreError(f"{path}: a database of another program; choose another file")
    if not _has_log(path):  # else the header may be ahead of the file, and the log has the rest
        page = int.from_bytes(header[16:18], "big")
        whole = (65536 if page == 1 else page) * int.from_bytes(header[28:32], "big")
        if size < whole:
            raise StoreError(
                f"{path}: the file is cut off ({size} of {whole} bytes); restore it from a copy"
            )
    # Asked of the mode bits, not of the kernel: write protection is meant for root as well.
    if not read_only and not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
        raise StoreError(
            f"{path}: the file may not be written; open it for reading, or change its permissions"
        )


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    _refuse_newer(version, path)
    if version < VERSION:
        raise StoreError(f"{path}: written by an older Onlooker; open it once for writing")


def _check_whole(connection: sqlite3.Connection, path: Path) -> None:
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise StoreError(f"{path}: the file is damaged ({problem}); restore it from a copy")


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
            write.execute("INSERT INTO vectors VALUES (?, ?)", (id_, vector.tobytes()))
    return Row(id_, segment, known_at, len(text.split()), weight or 0.0, vector)


def _insert_note(
    write: sqlite3.Connection,
    segment: int,
    note: Note,
    known_at: float,
    vector: NDArray[np.float16] | None,
) -> Row:
    payload = json.dumps({"start": float(note.start), "end": float(note.end), "text": note.text})
    times = (note.start, known_at)
    return _insert(write, segment, "note", times, note.text, payload, NOTE_WEIGHT, vector)


def _read(read: sqlite3.Connection, indices: Sequence[int], media: bool) -> list[Segment]:
    wanted = _json(indices)
    among = "IN (SELECT value FROM json_each(?))"
    heads = {
        row[0]: row
        for row in read.execute(
            'SELECT "index", start, end, closed_by, source, level FROM segments '
            f'WHERE "index" {among}',
            (wanted,),
        )
    }
    observations: dict[int, list[Observation]] = {}
    notes: dict[int, Note] = {}
    for segment, kind, payload in read.execute(
        f"SELECT segment, kind, payload FROM observations WHERE segment {among} ORDER BY id",
        (wanted,),
    ):
        try:
            if kind == "note":
                notes[segment] = Note(**json.loads(payload))
            else:
                observations.setdefault(segment, []).append(decode_observation(kind, payload))
        except (ValueError, TypeError) as error:
            raise StoreError(f"segment {segment} is damaged: {error}") from error
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
