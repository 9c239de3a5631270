"""The file of a session: made, locked, checked and carried forward.

One SQLite file a session, in WAL mode. Everything that can be wrong with it is told in
words, before anything is written.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import stat
import time
from pathlib import Path
from typing import IO

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

_EPISODES = """
ALTER TABLE observations ADD COLUMN replaced_at REAL;
ALTER TABLE turns ADD COLUMN known_at REAL;
ALTER TABLE turns ADD COLUMN segments TEXT NOT NULL DEFAULT '[]';
ALTER TABLE turns ADD COLUMN vector BLOB;
CREATE INDEX media_with_tensors ON media(segment) WHERE tensors IS NOT NULL;
CREATE TABLE episodes(
    id INTEGER PRIMARY KEY, level INTEGER NOT NULL, first INTEGER NOT NULL,
    last INTEGER NOT NULL, known_at REAL NOT NULL, importance REAL NOT NULL,
    note TEXT NOT NULL, note_known_at REAL NOT NULL, faded INTEGER NOT NULL);
CREATE UNIQUE INDEX episodes_by_first ON episodes(level, first);
CREATE TABLE about(key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

_CROPS = "CREATE TABLE crops(observation INTEGER PRIMARY KEY, jpeg BLOB NOT NULL);"

_SOURCES = """
CREATE INDEX segments_by_source ON segments(source, start);
ALTER TABLE episodes ADD COLUMN source TEXT NOT NULL DEFAULT '';
UPDATE episodes SET source = ifnull(
    (SELECT source FROM segments WHERE "index" = episodes.first), '');
"""

# Entry n takes a file of version n to version n + 1. A released entry is never edited.
MIGRATIONS: tuple[str, ...] = (_SCHEMA, _EPISODES, _CROPS, _SOURCES)

VERSION = len(MIGRATIONS)
"""The schema version this program writes."""


class StoreError(Exception):
    """The session file cannot be used as asked; the message says why and what to do."""


def explain(error: sqlite3.Error) -> str:
    """What went wrong, and what to do about it."""
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return "the disk is full; make room and go on: what was kept before is safe"
        case sqlite3.SQLITE_IOERR:
            return (
                f"the disk refuses ({error}); see that it has room and is sound: what was kept "
                "before is safe"
            )
        case sqlite3.SQLITE_READONLY:
            return "the file may not be written; open it for reading, or change its permissions"
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return f"the file is damaged or not a session ({error}); restore it from a copy"
        case sqlite3.SQLITE_CANTOPEN:
            return "the file or its folder cannot be opened; check that they exist and permissions"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "another program holds the file; close it and try again"
        case _:
            return f"{error}; it may be damaged: restore it from a copy"


def connect(uri: str) -> sqlite3.Connection:
    """A connection that may be handed from thread to thread, but is used by one at a time."""
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, timeout=10.0
    )
    # What a small cache misses, the kernel's holds; and it is full within the first hour.
    connection.execute("PRAGMA cache_size = -2000")
    return connection


def reading_uri(path: Path) -> str:
    """Where SQLite reads the session without writing it."""
    # Reading a WAL file needs its -shm beside it; in a folder that may not be written, a file
    # without a log is read as the unchanging thing it is.
    fixed = not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists()
    return f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' if fixed else ''}"


def lock(path: Path) -> IO[str]:
    """Hold the session for this process; the kernel lets go when the process ends.

    The lock is on a file beside it: closing any handle on the session file itself would
    drop SQLite's own locks (https://sqlite.org/howtocorrupt.html, section 2.2).
    """
    beside = Path(f"{path}.lock")
    try:
        held = beside.open("a+", encoding="ascii")
    except OSError as error:
        raise StoreError(f"{path}: cannot open for writing: {error.strerror or error}") from error
    for _ in range(5):  # a look at whether it is in use takes the lock for a moment
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            time.sleep(0.02)
    else:
        held.seek(0)
        owner = held.read().strip() or "unknown"
        held.close()
        raise StoreError(
            f"{path}: this session is being written by process {owner}; "
            "stop that one first, or open the session for reading"
        )
    # The number only makes a message better; a full disk must not stand in the way for it.
    with contextlib.suppress(OSError):
        held.truncate(0)
        held.write(str(os.getpid()))
        held.flush()
    return held


def create(path: Path) -> None:
    """Make the file whole under another name first, so that no kill leaves half of one."""
    fresh = Path(f"{path}.new")
    for left in (fresh, Path(f"{fresh}-wal"), Path(f"{fresh}-shm")):
        left.unlink(missing_ok=True)
    connection = sqlite3.connect(fresh, isolation_level=None)
    try:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA journal_mode = WAL")
        migrate(connection, path)
        connection.execute("INSERT INTO about VALUES ('created', ?)", (repr(time.time()),))
    finally:
        connection.close()
    fresh.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Carry the file forward to :data:`VERSION`, a version at a time, each whole or not at all."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    refuse_newer(version, path)
    for number in range(version, VERSION):
        connection.executescript(
            f"BEGIN IMMEDIATE; {MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;"
        )


def refuse_newer(version: int, path: Path) -> None:
    if version > VERSION:
        raise StoreError(
            f"{path}: written by a newer Onlooker (schema {version}; this one reads up to "
            f"{VERSION}); update Onlooker"
        )


def has_log(path: Path) -> bool:
    """Whether writes wait in the log: a writer is at work, or was killed."""
    log = Path(f"{path}-wal")
    return log.exists() and log.stat().st_size > 0


def check_file(path: Path, read_only: bool) -> None:
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
    if not has_log(path):  # else the header may be ahead of the file, and the log has the rest
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


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """A file opened for reading alone cannot be carried forward."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    refuse_newer(version, path)
    if version < VERSION:
        raise StoreError(f"{path}: written by an older Onlooker; open it once for writing")


def check_whole(connection: sqlite3.Connection, path: Path) -> None:
    """Read the whole file for damage: done after a kill."""
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise StoreError(f"{path}: the file is damaged ({problem}); restore it from a copy")
