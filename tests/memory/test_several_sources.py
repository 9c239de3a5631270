"""One memory of several sources: each in its own order, found by time, by words and by name."""

from __future__ import annotations

import itertools
import sqlite3
from pathlib import Path

import pytest

from memory.memory import Memory
from memory.naming import named
from memory.segment import Observation, Segment, Utterance
from memory.session_file import MIGRATIONS
from memory.sessions import export_session
from memory.store import StoreError
from tests.memory.builders import hashed, said


def of(source: str, index: int, start: float, *observations: Observation) -> Segment:
    """A segment of ten seconds."""
    return Segment(index, start, start + 10.0, observations, "length", source=source)


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    """Door and yard: the yard is sealed later than what follows at the door."""
    memory = Memory.open(tmp_path / "two.onlooker", hashed)
    memory.append(of("door", 0, 0.0, said("the parcel is here", 2.0)))
    memory.append(of("door", 1, 10.0, said("thank you and goodbye", 12.0)))
    memory.append(of("yard", 2, 5.0, said("the dog has the parcel", 7.0)))
    memory.append(of("door", 3, 20.0, said("nobody is at home", 22.0)))
    memory.append(of("yard", 4, 15.0, said("come here dog", 17.0)))
    return memory


def test_segments_of_two_sources_overlap_and_each_keeps_its_own_order(memory: Memory) -> None:
    assert memory.sources == ("door", "yard")
    with pytest.raises(StoreError, match="the stream's clock went back"):
        memory.append(of("yard", 5, 9.0))
    memory.append(of("yard", 5, 25.0))
    assert [s.index for s in memory.segments()] == list(range(6))


def test_the_latest_are_those_that_began_last_whenever_they_were_sealed(memory: Memory) -> None:
    assert [s.start for s in memory.latest(3)] == [10.0, 15.0, 20.0]
    assert [s.start for s in memory.latest(1, source="yard")] == [15.0]
    known = memory.latest(2, until=16.0)
    assert [(s.source, s.start, s.end) for s in known] == [
        ("door", 10.0, 16.0),
        ("yard", 15.0, 16.0),
    ]


def test_the_order_holds_after_the_session_is_opened_again(memory: Memory, tmp_path: Path) -> None:
    memory.close()
    with Memory.open(tmp_path / "two.onlooker", hashed) as again:
        assert again.sources == ("door", "yard")
        with pytest.raises(StoreError, match="clock went back"):
            again.append(of("door", 5, 19.0))
        assert again.recall("What was said in the yard?", 30.0, 1)[0].segment.source == "yard"


def test_a_question_that_names_a_source_is_answered_from_it(memory: Memory) -> None:
    everywhere = {r.segment.source for r in memory.recall("Who has the parcel?", 30.0, 4)}
    assert everywhere == {"door", "yard"}
    for name in ("door", "yard"):
        found = memory.recall(f"What about the parcel at the {name}?", 30.0, 4)
        assert found and {r.segment.source for r in found} == {name}


def test_recall_by_time_sees_all_sources_and_nothing_later(memory: Memory) -> None:
    found = memory.recall("What happened between 0:06 and 0:09?", 30.0, 4)
    assert {(r.segment.source, r.segment.start) for r in found} == {("door", 0.0), ("yard", 5.0)}
    for recalled in memory.recall("Where is the parcel, and the dog?", 8.0, 5):
        assert recalled.segment.end <= 8.0
        assert all(o.known_at <= 8.0 for o in recalled.segment.observations)


def test_first_and_last_go_by_time_and_not_by_when_a_segment_was_sealed(memory: Memory) -> None:
    last = memory.recall("What was the last thing that was said?", 30.0, 1)
    assert last[0].segment.start == 20.0


def test_what_came_after_an_event_may_be_what_another_source_saw(memory: Memory) -> None:
    after = memory.recall("What was said after the dog has the parcel?", 30.0, 3)
    assert 10.0 in {r.segment.start for r in after}


@pytest.mark.parametrize(
    ("question", "rest", "sources"),
    [
        ("What was said at the door?", "What was said ?", {"door"}),
        ("What did the back-yard camera see?", "What did see?", {"back yard"}),
        ("What was said at the door and in the back yard?", None, set()),
        ("What was indoors?", None, set()),
        ("What was said?", None, set()),
    ],
)
def test_a_name_in_a_question_is_understood(
    question: str, rest: str | None, sources: set[str]
) -> None:
    told, found = named(question, ("door", "back yard"))
    assert found == sources
    assert told == (question if rest is None else rest)


def test_a_lone_source_is_never_taken_for_a_name() -> None:
    assert named("What is at the door?", ("door",)) == ("What is at the door?", frozenset())


def interleaved(memory: Memory, minutes: int) -> None:
    index = 0
    for step in range(6 * minutes):
        for name in ("door", "yard"):
            start = 10.0 * step
            words = Utterance(start, start + 2.0, f"{name} talks of matter {step // 30}")
            memory.append(of(name, index, start, words))
            index += 1


def test_episodes_are_of_one_source_and_count_only_its_own(tmp_path: Path) -> None:
    with Memory.open(tmp_path / "long.onlooker", hashed) as memory:
        interleaved(memory, 30)
        while memory.consolidate(3000.0, 1 << 40).more:
            pass
        episodes = memory.timeline(levels=(1,))
        assert {node.source for node in episodes} == {"door", "yard"}
        segments = memory.segments(media=False)
        for node in episodes:
            mine = [s for s in segments[node.first : node.last + 1] if s.source == node.source]
            assert node.segments == len(mine) == node.utterances > 1
            assert (node.start, node.end) == (mine[0].start, mine[-1].end)
            assert node.note.count("yard" if node.source == "door" else "door") == 0
        for name in ("door", "yard"):
            parts = [n for n in episodes if n.source == name]
            assert all(a.end <= b.start for a, b in itertools.pairwise(parts))
        cut = memory.timeline(until=1500.0, since=900.0, levels=(0,))
        assert {n.source for n in cut} == {"door", "yard"}
        assert all(n.end > 890.0 and n.start <= 1500.0 for n in cut)
        assert sum(n.source == "yard" for n in cut) == 61


def test_fading_one_source_leaves_the_other_whole(tmp_path: Path) -> None:
    with Memory.open(tmp_path / "long.onlooker", hashed) as memory:
        interleaved(memory, 30)
        while memory.consolidate(3000.0, 1 << 40).more:
            pass
        before = {node.first: node for node in memory.timeline(levels=(1,))}
        memory.consolidate(3000.0, 1, steps=1)
        faded = [n for n in memory.timeline(levels=(1,)) if n.faded]
        assert len(faded) == 1
        for segment in memory.segments(media=False):
            inside = faded[0].first <= segment.index <= faded[0].last
            mine = segment.source == faded[0].source
            assert segment.level == (1 if inside and mine else 0)
        assert set(before) == {n.first for n in memory.timeline(levels=(1,))}


def test_a_session_of_the_schema_before_is_carried_forward(tmp_path: Path) -> None:
    path = tmp_path / "old.onlooker"
    with Memory.open(path, hashed) as memory:
        for step in range(60):
            start = 10.0 * step
            memory.append(of("", step, start, said(f"matter {step // 30}", start)))
        memory.consolidate(3000.0, 1 << 40)
        episodes = memory.timeline(levels=(1,))
    connection = sqlite3.connect(path)
    connection.execute("DROP INDEX segments_by_source")
    connection.execute("ALTER TABLE episodes DROP COLUMN source")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) - 1}")
    connection.commit()
    connection.close()
    assert export_session(path, tmp_path / "out").segments == 60
    with Memory.open(path, hashed) as again:
        assert again.sources == ("",) and again.timeline(levels=(1,)) == episodes
        again.append(of("", 60, 600.0))
