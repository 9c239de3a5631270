"""Memory finds what was said, read and seen, and never looks ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.memory import Memory
from memory.recall import Recalled
from memory.segment import Note, Observation, ScreenText, SeenObject, Segment, Turn, Utterance
from memory.store import StoreError
from tests.memory.builders import hashed, said, segment


@pytest.fixture
def memory() -> Iterator[Memory]:
    with Memory.open(None, hashed) as opened:
        yield opened


def fill(memory: Memory, sentences: list[str]) -> None:
    for index, text in enumerate(sentences):
        memory.append(segment(index, said(text, 5.0 * index)))


def indices(found: list[Recalled]) -> list[int]:
    return [recalled.segment.index for recalled in found]


STORY = [
    "good morning and welcome to the kitchen",
    "first chop two onions finely",
    "the phone rang loudly on the wall",
    "now simmer the tomato sauce slowly",
    "serve it with basil from Liguria",
]


def test_one_sentence_of_a_long_segment_is_found(memory: Memory) -> None:
    fill(memory, STORY)
    long = [said(f"and then we talked about topic {n}", 25.0 + n, 26.0 + n) for n in range(40)]
    memory.append(segment(5, *long, said("the secret ingredient is cardamom", 66.0)))
    best = memory.recall("What is the secret ingredient?", 100.0)[0]
    assert best.segment.index == 5
    assert any("secret" in reason for reason in best.reasons)


def test_words_alone_are_enough_without_an_embedder() -> None:
    with Memory.open(None, None) as memory:
        fill(memory, STORY)
        assert indices(memory.recall("Where is the basil from?", 60.0))[0] == 4
        assert memory.recall("Who won the football match?", 60.0) == []


def test_nothing_seen_or_begun_recalls_nothing(memory: Memory) -> None:
    assert memory.recall("What is that?", 10.0) == []
    memory.append(segment(0))
    assert memory.recall("What is that?", -1.0) == []


def test_time_narrows_what_is_recalled(memory: Memory) -> None:
    fill(memory, ["the light is red"] * 20)
    assert set(
        indices(memory.recall("What colour is the light between 0:20 and 0:29?", 100.0))
    ) == {
        4,
        5,
    }
    assert indices(memory.recall("What happened in the last 5 seconds?", 99.9))[0] == 19
    assert indices(memory.recall("What was the first thing said?", 100.0))[0] == 0
    assert indices(memory.recall("What was the last thing said?", 100.0))[0] == 19
    assert indices(memory.recall("What is going on?", 100.0))[0] == 19


def test_the_same_words_again_leave_room_for_others(memory: Memory) -> None:
    fill(memory, ["the gate is open"] * 9 + ["the gate of the garden is painted green"])
    for index in range(10, 20):
        memory.append(segment(index, said("the gate is open", 5.0 * index)))
    assert 9 in indices(memory.recall("Where is the gate?", 100.0, k=2))
    assert len(memory.recall("Where is the gate?", 100.0, k=20)) == 20


def test_of_two_as_good_the_one_that_matters_more_comes_first() -> None:
    with Memory.open(None, None) as memory:
        for index in range(2):
            memory.append(segment(index, said("blue kettle", 5.0 * index, 5.0 * index + 1)))
        assert indices(memory.recall("the kettle", 10.0))[0] == 1
        memory.remember(Turn(9.0, "What is that?", "A kettle.", segments=(0,)))
        assert indices(memory.recall("the kettle", 10.0))[0] == 0
        assert indices(memory.recall("the kettle", 8.0))[0] == 1


def test_before_and_after_an_event(memory: Memory) -> None:
    fill(memory, STORY)
    assert 1 in indices(memory.recall("What was said just before the phone rang?", 60.0, k=2))
    assert 3 in indices(memory.recall("What was said right after the phone rang?", 60.0, k=2))


def test_labels_texts_and_notes_are_found(memory: Memory) -> None:
    memory.append(segment(0, SeenObject(1.0, "espresso", 0.9)))
    memory.append(segment(1, ScreenText(6.0, "PLATFORM 9", (0.0, 0.0, 1.0, 1.0), 0.9)))
    memory.append(segment(2))
    memory.write_note(2, Note(10.0, 15.0, "a courier delivers a parcel"))
    assert indices(memory.recall("Was there espresso?", 60.0))[0] == 0
    assert indices(memory.recall("Which platform?", 60.0))[0] == 1
    assert indices(memory.recall("Who delivered the parcel?", 60.0))[0] == 2


def test_what_was_spoken_later_is_cut_from_what_is_recalled(memory: Memory) -> None:
    memory.append(segment(0, said("the code is seven", 1.0), said("no the code is nine", 3.5, 6.0)))
    found = memory.recall("What is the code?", 4.0)[0].segment
    assert [o.text for o in found.observations if isinstance(o, Utterance)] == ["the code is seven"]


def test_a_session_is_resumed_as_it_was_left(tmp_path: Path) -> None:
    path = tmp_path / "s.onlooker"
    with Memory.open(path, hashed) as memory:
        fill(memory, STORY)
        memory.remember(Turn(3.0, "Who?", "Ann."))
        before = memory.recall("Where is the basil from?", 60.0)
    with Memory.open(path, hashed) as memory:
        assert memory.next_index == len(STORY)
        assert memory.turns() == [Turn(3.0, "Who?", "Ann.")]
        assert key(memory.recall("Where is the basil from?", 60.0)) == key(before)
        statistics = memory.statistics()
        assert (statistics.segments, statistics.lines) == (5, 5)
        assert statistics.bytes >= path.stat().st_size
    with (
        Memory.open(path, lambda texts: hashed(texts)[:, :32]) as memory,
        pytest.raises(ValueError, match="32 values where the session holds 64"),
    ):
        memory.recall("Where is the basil from?", 60.0)


def test_a_temporary_session_leaves_nothing_and_says_that_it_is_closed() -> None:
    memory = Memory.open(None, None)
    memory.append(segment(0))
    folder = memory._store.path.parent
    memory.close()
    memory.close()
    assert not folder.exists()
    with pytest.raises(StoreError, match="closed"):
        memory.append(segment(1))
    with pytest.raises(StoreError, match="closed"):
        memory.segments()


def test_readers_are_served_while_segments_are_written(memory: Memory) -> None:
    done, failures = threading.Event(), []

    def read() -> None:
        try:
            while not done.is_set():
                kept = memory.segments(media=False)
                assert [s.index for s in kept] == list(range(len(kept)))
                memory.recall("Where is the basil from?", 1e9)
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    fill(memory, STORY * 12)
    done.set()
    for reader in readers:
        reader.join(timeout=20)
    assert not failures
    assert memory.statistics().segments == 60


WORDS = ["red", "blue", "car", "phone", "rang", "door", "basil", "onion", "cat", "tower"]
sentences = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)


@st.composite
def observations(draw: st.DrawFn, start: float) -> Observation:
    at = start + draw(st.floats(0.0, 5.0, width=16))
    if draw(st.booleans()):
        return Utterance(at, at + draw(st.floats(0.0, 12.0, width=16)), draw(sentences))
    return SeenObject(at, draw(st.sampled_from(WORDS)), draw(st.sampled_from([0.125, 0.5, 1.0])))


@st.composite
def streams(draw: st.DrawFn, count: int) -> list[Segment]:
    return [
        segment(i, *draw(st.lists(observations(5.0 * i), max_size=4)))  # type: ignore[arg-type]
        for i in range(count)
    ]


def joined(past: list[Segment], future: list[Segment], time: float) -> list[Segment]:
    """The past as known at ``time``, going on as ``future`` does."""
    stream = []
    for old, new in zip(past, future, strict=True):
        kept = [o for o in old.observations if o.known_at <= time]
        later = [o for o in new.observations if o.known_at > time]
        stream.append(segment(old.index, *kept, *later))
    return stream


def key(found: list[Recalled]) -> list[tuple[object, ...]]:
    return [
        (r.segment.index, r.segment.end, r.segment.observations, r.score, r.reasons) for r in found
    ]


QUESTIONS = [
    "Where is the red car?",
    "What happened in the last 10 seconds?",
    "What was seen before the phone rang?",
    "What was the last thing said about the cat?",
    "What was there at the beginning?",
    "Is there a door at the end?",
]


@settings(max_examples=30, deadline=None)
@given(
    past=streams(6),
    future=streams(6),
    time=st.floats(0.0, 29.0, width=16),
    question=st.sampled_from(QUESTIONS),
)
def test_recall_is_the_same_bit_for_bit_whatever_comes_later(
    past: list[Segment], future: list[Segment], time: float, question: str
) -> None:
    begun = [s for s in past if s.start <= time]
    versions = [joined(past, past, time), joined(past, future, time)]
    versions.append(joined(begun, begun, time))
    answers = []
    for stream in versions:
        with Memory.open(None, hashed) as memory:
            for part in stream:
                memory.append(part)
            answers.append(key(memory.recall(question, time)))
    assert answers[0] == answers[1] == answers[2]


def test_causality_holds_at_the_limits_of_what_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("memory.recall.MOST_HITS", 4)
    monkeypatch.setattr("memory.recall.CANDIDATES", 3)
    rng = np.random.default_rng(3)
    stream = [
        segment(
            i,
            *(
                said("cat " + str(rng.choice(WORDS)), 5.0 * i + j, 5.0 * i + 9 * j)
                for j in (1, 2, 3)
            ),
        )
        for i in range(12)
    ]
    for time in (17.0, 31.0, 44.5):
        answers = []
        for count in (int(time // 5) + 1, 12):
            with Memory.open(None, hashed) as memory:
                for part in stream[:count]:
                    memory.append(part)
                answers.append(key(memory.recall("the cat and the red door", time)))
        assert answers[0] == answers[1]
