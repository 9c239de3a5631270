"""Sessions are listed, resumed, exported and deleted."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from memory.memory import Memory
from memory.segment import Look, Note, ScreenText, SeenObject, Turn, Utterance, Word
from memory.sessions import delete_session, export_session, list_sessions, session_info
from memory.store import Store, StoreError
from tests.memory.builders import hashed, said, segment

ROOT = Path(__file__).resolve().parents[2]
OLD = ROOT / "tests" / "data" / "session_v1.onlooker.gz"


def make(path: Path, count: int = 3) -> Path:
    with Memory.open(path, hashed) as memory:
        for index in range(count):
            part = segment(index, said(f"sentence {index}", 5.0 * index), start=10 + 5.0 * index)
            memory.append(replace(part, thumbnail=b"\xff\xd8%d" % index if index != 1 else b""))
        memory.write_note(0, Note(10.0, 15.0, "the beginning", 16.0))
        memory.remember(Turn(12.0, "Wer spricht?", "Jürgen.", segments=(0,)))
    return path


def test_sessions_are_listed_with_what_they_hold(tmp_path: Path) -> None:
    before = time.time()
    make(tmp_path / "kitchen.onlooker")
    (tmp_path / "broken.onlooker").write_bytes(b"hello")
    (tmp_path / "other.txt").write_text("no session")
    sessions = {info.name: info for info in list_sessions(tmp_path)}
    assert set(sessions) == {"kitchen", "broken"}
    info = sessions["kitchen"]
    assert (info.start, info.duration, info.segments, info.turns) == (10.0, 15.0, 3, 1)
    assert info.created is not None
    assert before - 1 <= info.created <= info.written + 1
    assert info.bytes >= info.path.stat().st_size > 0
    assert not info.in_use
    assert info.problem == ""
    assert "not a session" in sessions["broken"].problem
    assert list_sessions(tmp_path / "absent") == []


def test_a_session_being_written_is_listed_but_neither_deleted_nor_hurt(tmp_path: Path) -> None:
    path = tmp_path / "live.onlooker"
    with Memory.open(path, None) as memory:
        memory.append(segment(0))
        info = list_sessions(tmp_path)[0]
        assert (info.in_use, info.segments) == (True, 1)
        with pytest.raises(StoreError, match="being written by process"):
            delete_session(path)
        memory.append(segment(1))
    assert session_info(path).segments == 2


def test_a_session_held_by_another_process_is_not_deleted(tmp_path: Path) -> None:
    path = make(tmp_path / "s.onlooker")
    code = (
        "import sys; from pathlib import Path; from memory.store import Store\n"
        "store = Store(Path(sys.argv[1])); print('open', flush=True); sys.stdin.readline()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        assert session_info(path).in_use
        with pytest.raises(StoreError, match=f"process {holder.pid}"):
            delete_session(path)
        holder.communicate(b"\n", timeout=10)
    delete_session(path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match="no such session"):
        delete_session(path)


def test_a_file_that_is_no_session_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("keep me")
    with pytest.raises(StoreError, match="not a session"):
        delete_session(tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "keep me"


def test_an_export_holds_every_segment_turn_and_thumbnail(tmp_path: Path) -> None:
    path = make(tmp_path / "s.onlooker")
    out = tmp_path / "out"
    done = export_session(path, out)
    assert (done.segments, done.turns, done.nodes, done.thumbnails) == (3, 1, 3, 2)
    lines = [json.loads(line) for line in (out / "segments.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == [0, 1, 2]
    assert lines[0]["note"] == {
        "start": 10.0,
        "end": 15.0,
        "text": "the beginning",
        "written": 16.0,
    }
    assert lines[2]["observations"][0]["text"] == "sentence 2"
    assert lines[2]["observations"][0]["kind"] == "utterance"
    assert lines[1]["thumbnail"] == ""
    assert (out / lines[2]["thumbnail"]).read_bytes() == b"\xff\xd82"
    turn = json.loads((out / "turns.jsonl").read_text())
    assert (turn["question"], turn["answer"], turn["segments"]) == ("Wer spricht?", "Jürgen.", [0])
    assert len((out / "timeline.jsonl").read_text().splitlines()) == 3
    with pytest.raises(StoreError, match="not empty"):
        export_session(path, out)
    with pytest.raises(StoreError, match="no such session"):
        export_session(tmp_path / "absent", tmp_path / "new")


def test_a_session_in_use_is_exported_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "live.onlooker"
    with Memory.open(path, None) as memory:
        memory.append(segment(0))
        assert export_session(path, tmp_path / "out").segments == 1


# Sessions written by an older Onlooker


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.onlooker"
    path.write_bytes(gzip.decompress(OLD.read_bytes()))
    return path


def test_a_session_of_schema_1_is_listed_as_it_is(old: Path) -> None:
    before = old.read_bytes()
    info = session_info(old)
    assert (info.created, info.segments, info.turns, info.problem) == (None, 2, 1, "")
    assert old.read_bytes() == before
    with pytest.raises(StoreError, match="older Onlooker; open it once for writing"):
        Store(old, read_only=True)


def test_a_session_of_schema_1_is_carried_forward_with_all_it_holds(old: Path) -> None:
    with Memory.open(old, hashed) as memory:
        first, second = memory.segments()
        assert first.observations == (
            Look(0.5, 0.1, 0.4, ("red",)),
            SeenObject(1.0, "espresso", 0.9),
            ScreenText(2.0, "PLATFORM 9", (0.0, 0.0, 0.5, 0.1), 0.98),
            Utterance(
                1.0, 6.5, "the train to Genoa leaves at seven",
                (Word(1.0, 1.2, "the"), Word(1.2, 1.6, "train")), 0.9,
            ),
        )  # fmt: skip
        assert first.note == Note(0.0, 5.0, "an announcement of a train")
        assert (first.source, first.closed_by, first.thumbnail) == (
            "station", "pause", b"\xff\xd8tiny",
        )  # fmt: skip
        assert first.features is not None
        np.testing.assert_array_equal(first.features.ravel(), np.arange(24, dtype=np.float16))
        assert (second.start, second.end) == (5.0, 10.0)
        turn = Turn(8.0, "When does the train leave?", "At seven.")
        assert memory.turns() == [turn]
        assert memory.relevant_turns("What did I ask?", 9.0) == [turn]
        assert memory.recall("When does the train leave for Genoa?", 9.0)[0].segment.index == 0
        memory.append(segment(2, said("all aboard", 10.0)))
        memory.write_note(0, Note(0.0, 5.0, "a train is announced", 12.0))
        assert [n.level for n in memory.timeline()] == [0, 0, 0]
    with Memory.open(old, hashed, read_only=True) as memory:
        assert len(memory.segments()) == 3


def test_a_session_of_schema_1_can_be_exported(old: Path, tmp_path: Path) -> None:
    assert export_session(old, tmp_path / "out").segments == 2
