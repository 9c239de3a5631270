"""Sessions as files: listed, exported, deleted. To resume one, open its path as a memory."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from memory.codec import fields_of, kind_of
from memory.segment import Segment
from memory.session_file import (
    VERSION,
    StoreError,
    check_file,
    connect,
    explain,
    lock,
    reading_uri,
    refuse_newer,
)
from memory.store import Store
from memory.timeline import timeline

SUFFIX = ".onlooker"
"""Of the files that hold a session."""

_BATCH = 256


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What a session holds, for a list.

    Attributes:
        path, name: where it is, and the file's name without its suffix.
        created: wall-clock seconds since 1970 at which it was made, or None where it does
            not say (sessions of schema 1).
        start: stream seconds at which the first segment begins.
        duration: stream seconds from there to the end of the last.
        segments, turns: how many there are.
        bytes: on disk, write-ahead log included.
        written: wall-clock seconds since 1970 of the last write.
        in_use: whether a process writes it now.
        problem: why it cannot be opened; empty where it can. The counts are 0 then.
    """

    path: Path
    name: str
    created: float | None
    start: float
    duration: float
    segments: int
    turns: int
    bytes: int
    written: float
    in_use: bool
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Exported:
    """How much was written: segments, turns, nodes of the timeline, thumbnails."""

    segments: int
    turns: int
    nodes: int
    thumbnails: int


def list_sessions(folder: Path) -> list[SessionInfo]:
    """The sessions in a folder, the last written first; none where there is no such folder.

    Sessions in use are listed as they are now, damaged ones with what is wrong with them.
    """
    if not folder.is_dir():
        return []
    found = [session_info(path) for path in folder.glob(f"*{SUFFIX}") if path.is_file()]
    return sorted(found, key=lambda info: (-info.written, info.name))


def session_info(path: Path) -> SessionInfo:
    """What the session at ``path`` holds, by a look that changes nothing."""
    files = [file for file in (path, Path(f"{path}-wal")) if file.exists()]
    size = sum(file.stat().st_size for file in files)
    written = max((file.stat().st_mtime for file in files), default=0.0)
    created, start, end, segments, turns, problem = None, 0.0, 0.0, 0, 0, ""
    try:
        with _looking(path) as read:
            start, end, segments = read.execute(
                "SELECT ifnull(min(start), 0), ifnull(max(end), 0), count(*) FROM segments"
            ).fetchone()
            turns = read.execute("SELECT count(*) FROM turns").fetchone()[0]
            if read.execute("PRAGMA user_version").fetchone()[0] >= 2:
                row = read.execute("SELECT value FROM about WHERE key = 'created'").fetchone()
                created = None if row is None else float(row[0])
    except StoreError as error:
        problem = str(error)
    return SessionInfo(
        path,
        path.name.removesuffix(SUFFIX),
        created,
        float(start),
        float(end - start),
        segments,
        turns,
        size,
        written,
        _in_use(path),
        problem,
    )


def export_session(path: Path, out: Path) -> Exported:
    """Write a session into the folder ``out``, which must be absent or empty.

    ``segments.jsonl``, ``turns.jsonl`` and ``timeline.jsonl`` hold one JSON object a line;
    thumbnails are in ``thumbnails/``, named by the index of their segment. Features are left
    out. A session in use is exported as it is now.

    Raises:
        StoreError: the session cannot be read, or the folder cannot be written.
    """
    if not path.exists():
        raise StoreError(f"{path}: there is no such session")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StoreError(f"{out}: already there and not empty; choose another folder")
    _carry_forward(path)
    store = Store(path, read_only=True)
    try:
        (out / "thumbnails").mkdir(parents=True)
        segments, thumbnails = _export_segments(store, out)
        turns = [asdict(turn) for turn in store.turns()]
        _write_lines(out / "turns.jsonl", turns)
        nodes = [asdict(node) for node in timeline(store, None, (0, 1, 2), None)]
        _write_lines(out / "timeline.jsonl", nodes)
    except OSError as error:
        raise StoreError(f"{out}: cannot export: {error.strerror or error}") from error
    finally:
        store.close()
    return Exported(segments, len(turns), len(nodes), thumbnails)


def delete_session(path: Path) -> None:
    """Delete a session and the files beside it.

    Raises:
        StoreError: there is none, it is in use, it is no session, or it cannot be deleted.
    """
    if not path.exists():
        raise StoreError(f"{path}: there is no such session")
    if path.suffix != SUFFIX:
        check_file(path, read_only=True)
    with lock(path):
        try:
            for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm"), Path(f"{path}.lock")):
                file.unlink(missing_ok=True)
            # Left by a run that was killed, see pipeline/spill.py.
            shutil.rmtree(path.with_suffix(".slow"), ignore_errors=True)
        except OSError as error:
            raise StoreError(f"{path}: cannot delete: {error.strerror or error}") from error


def _export_segments(store: Store, out: Path) -> tuple[int, int]:
    count = thumbnails = 0
    with (out / "segments.jsonl").open("w", encoding="utf-8") as file:
        while batch := store.segments(since_index=count, limit=_BATCH, media=False):
            for segment in batch:
                picture = ""
                if jpeg := store.thumbnail(segment.index):
                    picture = f"thumbnails/{segment.index:06d}.jpg"
                    (out / picture).write_bytes(jpeg)
                    thumbnails += 1
                file.write(json.dumps(_plain(segment, picture), ensure_ascii=False) + "\n")
            count += len(batch)
    return count, thumbnails


def _plain(segment: Segment, picture: str) -> dict[str, object]:
    return {
        "index": segment.index,
        "start": segment.start,
        "end": segment.end,
        "closed_by": segment.closed_by,
        "source": segment.source,
        "level": segment.level,
        "note": None if segment.note is None else asdict(segment.note),
        "observations": [{"kind": kind_of(o), **fields_of(o)} for o in segment.observations],
        "thumbnail": picture,
    }


def _write_lines(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _carry_forward(path: Path) -> None:
    """Bring an older file to this schema, where nobody is writing it."""
    with _looking(path) as read:
        old = read.execute("PRAGMA user_version").fetchone()[0] < VERSION
    if old:
        Store(path).close()


@contextlib.contextmanager
def _looking(path: Path) -> Iterator[sqlite3.Connection]:
    """A reading connection to a session of any schema that this program knows."""
    try:
        check_file(path, read_only=True)
        connection = connect(reading_uri(path))
        try:
            refuse_newer(connection.execute("PRAGMA user_version").fetchone()[0], path)
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StoreError(f"{path}: cannot read: {explain(error)}") from error
    except OSError as error:
        raise StoreError(f"{path}: cannot read: {error.strerror or error}") from error


def _in_use(path: Path) -> bool:
    beside = Path(f"{path}.lock")
    try:
        with beside.open(encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
