"""The store keeps what it acknowledged, and says clearly what it cannot do."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from memory import session_file
from memory.codec import decode_vector, encode_vector, shrink_vector
from memory.segment import (
    Fixation,
    Gap,
    Look,
    Note,
    SceneChange,
    ScreenText,
    SeenObject,
    Segment,
    Turn,
    Utterance,
    Word,
)
from memory.session_file import VERSION
from memory.store import Store, StoreError
from tests.memory.builders import said, segment

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "session.onlooker"


def rich(index: int = 0) -> Segment:
    features = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float16)
    return Segment(
        index=index,
        start=0.1,
        end=5.3,
        observations=(
            SceneChange(0.1, 0.9),
            Look(0.2, 0.3, 0.4, ("red", "blue"), ((0.1, 0.2, 0.3, 0.4),)),
            SeenObject(0.2, "espresso", 0.7),
            SeenObject(0.2, "cup", 0.1 + 0.2, (0.0, 0.1, 0.2, 0.3)),
            ScreenText(0.4, "INAUGURATION 1961", (0.0, 0.0, 1.0, 0.1), 0.99),
            Fixation(0.5, 1.5, 0.25, 0.75, "cup", b"\xff\xd8crop"),
            Gap(2.0, 3.0, "the camera was unplugged"),
            Utterance(0.3, 6.1, "my fellow Americans", (Word(0.3, 0.5, "my"),), 0.8),
        ),
        closed_by="scene",
        thumbnail=b"\xff\xd8jpeg",
        features=features,
        feature_times=(0.2, 1 / 3),
        source="door",
        level=1,
        note=Note(0.1, 5.3, "a speech"),
    )


def assert_same(read: Segment, written: Segment) -> None:
    assert read.observations == written.observations
    for name in ("index", "start", "end", "closed_by", "thumbnail", "feature_times", "source"):
        assert getattr(read, name) == getattr(written, name)
    assert (read.level, read.note) == (written.level, written.note)
    if written.features is None:
        assert read.features is None
    else:
        assert read.features is not None
        np.testing.assert_array_equal(read.features, written.features)


def test_a_segment_comes_back_as_it_was(path: Path) -> None:
    with_all = rich()
    store = Store(path)
    store.append(with_all)
    store.close()
    again = Store(path)
    assert_same(again.segments()[0], with_all)
    bare = again.segments(media=False)[0]
    assert (bare.thumbnail, bare.features) == (b"", None)
    assert again.next_index == 1
    again.close()


def test_words_are_found_by_stem_and_only_in_the_range_asked_for(path: Path) -> None:
    store = Store(path)
    for index, text in enumerate(["the cats slept", "a dog barked", "one Cat purred"]):
        store.append(segment(index, said(text, 5.0 * index)))
    first, _, third = [row.id for row in store.rows()]
    assert store.matching("cat", 0, third, 10) == [third, first]
    assert store.matching("cat", 0, third - 1, 10) == [first]
    store.close()


def test_a_note_replaces_the_one_before_it_and_can_be_found(path: Path) -> None:
    store = Store(path)
    store.append(segment(0, said("hello", 1.0, 7.5)))
    store.write_note(0, Note(0.0, 5.0, "a greeting"))
    row, old = store.write_note(0, Note(0.0, 5.0, "a salutation"))
    assert row.known_at == 7.5
    assert len(old) == 1
    assert store.matching("greeting", 0, row.id, 9) == []
    assert store.matching("salutation", 0, row.id, 9) == [row.id]
    assert store.segments()[0].note == Note(0.0, 5.0, "a salutation")
    with pytest.raises(StoreError, match="no segment 4"):
        store.write_note(4, Note(0.0, 1.0, "nothing"))
    store.close()


@pytest.mark.parametrize("size", [64, 65])
def test_a_shrunk_embedding_keeps_its_signs_and_its_direction(size: int) -> None:
    vector = np.random.default_rng(1).standard_normal(size).astype(np.float16)
    vector[3] = 1e-4
    vector /= np.linalg.norm(vector.astype(np.float32))
    whole = encode_vector(vector)
    small = shrink_vector(whole)
    assert len(small) < 0.6 * len(whole)
    np.testing.assert_array_equal(decode_vector(whole), vector)
    again = decode_vector(small)
    np.testing.assert_array_equal(again > 0, vector > 0)
    assert float(again.astype(np.float32) @ vector.astype(np.float32)) > 0.998
    assert shrink_vector(small) == small


def test_turns_are_kept_with_their_times(path: Path) -> None:
    store = Store(path)
    store.remember(Turn(3.0, "Who?", "Ann."))
    store.remember(Turn(9.0, "Where?", "Rome."))
    assert store.turns(until=3.0) == [Turn(3.0, "Who?", "Ann.")]
    assert len(store.turns()) == 2
    store.close()


def test_a_reader_sees_a_finished_state_while_a_write_is_under_way(path: Path) -> None:
    store = Store(path)
    store.append(segment(0, said("before", 1.0)))
    with store.writing("test") as write:
        write.execute("UPDATE segments SET closed_by = 'half'")
        assert store.segments()[0].closed_by == "length"
    assert store.segments()[0].closed_by == "half"
    store.close()


@pytest.mark.parametrize(
    ("start", "end", "index", "message"),
    [
        (3.0, 9.0, 1, "clock went back"),
        (9.0, 7.0, 1, "clock went back"),
        (float("nan"), 9.0, 1, "no finite start"),
        (10.0, 12.0, 5, "came where 1 was due"),
    ],
)
def test_a_clock_that_jumps_back_is_refused_and_nothing_is_lost(
    path: Path, start: float, end: float, index: int, message: str
) -> None:
    store = Store(path)
    store.append(Segment(0, 4.0, 8.0, (), "length"))
    with pytest.raises(StoreError, match=message):
        store.append(Segment(index, start, end, (), "length"))
    store.append(Segment(1, 90_000.0, 90_005.0, (), "length"))  # a jump ahead is only a gap
    assert [s.start for s in store.segments()] == [4.0, 90_000.0]
    store.close()


WRITER = """
import sys
from pathlib import Path
from memory.store import Store
from tests.memory.builders import said, segment
store = Store(Path(sys.argv[1]))
for index in range(store.next_index, 10**9):
    store.append(segment(index, said(f"sentence number {index}", 5.0 * index)))
    print(index, flush=True)
"""


def test_a_full_disk_is_told_and_the_session_goes_on_when_there_is_room(path: Path) -> None:
    store = Store(path)
    big = replace(segment(0), thumbnail=bytes(200_000))
    store.append(big)
    assert store._writer is not None
    store._writer.execute("PRAGMA max_page_count = 100")
    with pytest.raises(StoreError, match="disk is full"):
        store.append(replace(big, index=1, start=5.0, end=10.0, thumbnail=bytes(900_000)))
    assert len(store.segments()) == 1
    store._writer.execute("PRAGMA max_page_count = 100000")
    store.append(replace(big, index=1, start=5.0, end=10.0))
    assert len(store.segments()) == 2
    store.close()


def test_a_really_full_file_system_loses_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        store = Store(disk / "session.onlooker")
        kept = 0
        with pytest.raises(StoreError, match="what was kept before is safe"):
            for kept in range(1000):
                store.append(replace(segment(kept), thumbnail=bytes(50_000)))
        assert kept > 3
        assert len(store.segments()) == kept
        store.close()
        copy = shutil.copytree(disk, tmp_path / "copy")
        again = Store(copy / "session.onlooker")
        assert len(again.segments()) == kept
        again.append(segment(kept))
        again.close()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_second_process_is_told_who_writes_and_may_read(path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    try:
        writer.stdout.readline()
        with pytest.raises(StoreError, match=f"written by process {writer.pid}"):
            Store(path)
        reader = Store(path, read_only=True)
        assert len(reader.segments()) >= 1
        with pytest.raises(StoreError, match="opened for reading"):
            reader.append(segment(0))
        reader.close()
    finally:
        writer.kill()
        writer.stdout.close()
        writer.wait(timeout=10)
    Store(path).close()


def test_a_write_protected_file_can_be_read_and_says_why_it_is_not_written(path: Path) -> None:
    store = Store(path)
    store.append(segment(0, said("kept", 1.0)))
    store.close()
    path.chmod(0o444)
    with pytest.raises(StoreError, match="may not be written"):
        Store(path)
    reader = Store(path, read_only=True)
    assert len(reader.segments()) == 1
    reader.close()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9])
def test_a_file_cut_short_is_told(path: Path, share: float) -> None:
    store = Store(path)
    store.append(replace(segment(0, said("kept", 1.0)), thumbnail=bytes(100_000)))
    store.close()
    with path.open("r+b") as file:
        file.truncate(int(share * path.stat().st_size))
    for read_only in (False, True):
        with pytest.raises(StoreError, match=r"cut off|empty"):
            Store(path, read_only)


def test_damage_inside_the_file_is_told(path: Path) -> None:
    store = Store(path)
    for index in range(50):
        store.append(segment(index, said(f"sentence {index}", 5.0 * index)))
    store.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\x5a" * (path.stat().st_size - 4096))
    with pytest.raises(StoreError, match="damaged"):
        Store(path).segments()


def test_files_that_are_no_sessions_are_told_apart(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("hello " * 100)
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE t(x)")
    connection.commit()
    connection.close()
    for wrong, message in (
        (text, "not a session"),
        (other, "another program"),
        (tmp_path, "a folder"),
        (tmp_path / "no" / "session", "No such file"),
    ):
        with pytest.raises(StoreError, match=message):
            Store(wrong)
    with pytest.raises(StoreError, match="no such session"):
        Store(tmp_path / "absent", read_only=True)
    assert text.read_text() == "hello " * 100


def test_a_newer_schema_is_refused_untouched(path: Path) -> None:
    Store(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    for read_only in (False, True):
        with pytest.raises(StoreError, match="newer Onlooker"):
            Store(path, read_only)


def test_what_was_looked_at_is_read_only_with_the_pictures(path: Path) -> None:
    store = Store(path)
    store.append(rich())
    (bare,) = store.segments(media=False)
    store.close()
    looks = [o for o in bare.observations if isinstance(o, Fixation)]
    assert looks == [Fixation(0.5, 1.5, 0.25, 0.75, "cup")]
    connection = sqlite3.connect(path)
    (payload,) = connection.execute("SELECT payload FROM observations WHERE kind = 'fixation'")
    assert "crop" not in payload[0]
    connection.close()


def test_a_file_from_before_crops_takes_them(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = (session_file.MIGRATIONS, VERSION)
    monkeypatch.setattr(session_file, "MIGRATIONS", now[0][:2])
    monkeypatch.setattr(session_file, "VERSION", 2)
    Store(path).close()
    monkeypatch.setattr(session_file, "MIGRATIONS", now[0])
    monkeypatch.setattr(session_file, "VERSION", now[1])
    store = Store(path)
    store.append(rich())
    assert_same(store.segments()[0], rich())
    store.close()


def test_an_older_schema_is_carried_forward(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(path)
    store.append(segment(0, said("kept", 1.0)))
    store.close()
    more = (*session_file.MIGRATIONS, "ALTER TABLE turns ADD COLUMN mood TEXT;")
    monkeypatch.setattr(session_file, "MIGRATIONS", more)
    monkeypatch.setattr(session_file, "VERSION", len(more))
    with pytest.raises(StoreError, match="open it once for writing"):
        Store(path, read_only=True)
    again = Store(path)
    assert len(again.segments()) == 1
    again.close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (len(more),)
    assert "mood" in [row[1] for row in connection.execute("PRAGMA table_info(turns)")]
    connection.close()
