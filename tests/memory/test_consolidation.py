"""Old detail fades under a byte budget; what was told, and that it was there, stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from memory.consolidation import RECENT, SETTLED, Consolidated
from memory.episodes import LONGEST, SHORTEST, Scene, begins
from memory.memory import Memory
from memory.segment import (
    Fixation,
    Gap,
    Look,
    Note,
    Observation,
    ScreenText,
    SeenObject,
    Segment,
    Turn,
    Utterance,
    Word,
)
from tests.memory.builders import hashed, said, segment
from tests.memory.test_memory import QUESTIONS, joined, key, streams

BOX = (0.0, 0.0, 1.0, 1.0)


@pytest.fixture
def memory() -> Iterator[Memory]:
    with Memory.open(None, hashed) as opened:
        yield opened


def settle(memory: Memory, now: float, budget: int = 0) -> Consolidated:
    """Consolidate until there is nothing more to do."""
    for _ in range(10_000):
        outcome = memory.consolidate(now, budget)
        if not outcome.more:
            return outcome
    raise AssertionError("consolidation does not come to an end")


def rich(index: int) -> Segment:
    start = 5.0 * index
    words = (Word(start + 1, start + 2, f"topic {index}"),)
    return replace(
        segment(
            index,
            Look(start + 0.5, 0.1, 0.5, ("red",)),
            SeenObject(start + 0.5, "kettle", 0.9),
            SeenObject(start + 0.6, "weasel", 0.1),
            ScreenText(start + 1, f"PAGE {index}", BOX, 0.9),
            ScreenText(start + 2, f"Page {index}", BOX, 0.9),
            Fixation(start, start + 1, 0.5, 0.5, "the kettle", b"\xff\xd8kettle"),
            Fixation(start + 1, start + 2, 0.1, 0.1),
            Utterance(start + 1, start + 3, f"we come to topic number {index}", words),
        ),
        thumbnail=b"\xff\xd8" + bytes(3000),
        features=np.full((4, 2, 2, 64), index, dtype=np.float16),
        feature_times=(start, start + 1, start + 2, start + 3),
    )


def fill(memory: Memory, count: int) -> None:
    for index in range(count):
        memory.append(rich(index))


def told(segment: Segment) -> list[tuple[str, float]]:
    return [
        (o.text, o.time) for o in segment.observations if isinstance(o, (Utterance, ScreenText))
    ]


def test_nothing_fades_while_the_budget_holds(memory: Memory) -> None:
    fill(memory, 200)
    before = memory.segments()
    outcome = settle(memory, 1000.0, 1 << 30)
    assert (outcome.faded, outcome.over) == (0, 0)
    assert outcome.episodes > 0
    for old, new in zip(before, memory.segments(), strict=True):
        assert old.observations == new.observations
        assert (old.thumbnail, old.level) == (new.thumbnail, new.level)
        np.testing.assert_array_equal(old.features, new.features)


def test_features_go_first_and_the_recent_ones_stay(memory: Memory) -> None:
    fill(memory, 100)
    used = memory.consolidate(500.0, 1 << 30).bytes
    outcome = settle(memory, 500.0, used - 100_000)
    assert outcome.bytes <= used - 100_000
    kept = memory.segments()
    assert kept[0].features is None
    assert all(s.features is not None for s in kept if s.end > 500.0 - RECENT)
    assert all(s.thumbnail and s.level == 0 for s in kept)


def test_with_no_budget_at_all_what_was_told_stays_and_can_be_found(memory: Memory) -> None:
    fill(memory, 200)
    memory.write_note(3, Note(15.0, 20.0, "the third topic is introduced", 30.0))
    outcome = settle(memory, 1000.0)
    assert outcome.over == outcome.bytes > 0
    kept = memory.segments()
    assert [s.index for s in kept] == list(range(200))
    assert [(s.start, s.end) for s in kept] == [(5.0 * i, 5.0 * i + 5) for i in range(200)]
    old = [s for s in kept if s.end < 1000.0 - LONGEST - SETTLED]
    for each in old:
        assert told(each) == [
            (f"PAGE {each.index}", each.start + 1),
            (f"we come to topic number {each.index}", each.start + 1),
        ]
        assert each.level == 2
        assert each.features is None
        assert not any(isinstance(o, Look) for o in each.observations)
        assert not any(isinstance(o, Utterance) and o.words for o in each.observations)
        assert [o.target for o in each.observations if isinstance(o, Fixation)] == ["the kettle"]
    labels = [o for s in old for o in s.observations if isinstance(o, SeenObject)]
    assert [o.label for o in labels] == ["kettle"]
    assert kept[3].note == Note(15.0, 20.0, "the third topic is introduced", 30.0)
    for index in (0, 17, 40):
        assert memory.recall(f"What about topic number {index}?", 1000.0)[0].segment.index == index
        found = memory.recall(f"Which page {index} was shown?", 1000.0)
        assert index in [recalled.segment.index for recalled in found]
    labels = [o for s in kept[:100] for o in s.observations if isinstance(o, SeenObject)]
    assert "weasel" not in [o.label for o in labels]


def test_one_thumbnail_a_minute_is_kept_and_that_of_what_was_asked_about(memory: Memory) -> None:
    fill(memory, 200)
    memory.remember(Turn(300.0, "What is that?", "A kettle.", segments=(7,)))
    used = memory.statistics().bytes
    while memory.segments(limit=1, media=False)[0].level == 0:
        memory.consolidate(1000.0, used := used - 20_000, steps=1)
    episode = next(node for node in memory.timeline(levels=(1,)) if node.level == 1)
    pictured = [s.index for s in memory.segments(limit=episode.last + 1) if s.thumbnail]
    assert pictured == sorted({*range(0, episode.last + 1, 12), 7})
    looked = [
        s.index
        for s in memory.segments(limit=episode.last + 1)
        if any(isinstance(o, Fixation) and o.crop for o in s.observations)
    ]
    assert looked == pictured
    settle(memory, 1000.0)
    assert [s.index for s in memory.segments(limit=100) if s.thumbnail] == [0, 7]


def test_of_two_episodes_the_one_that_mattered_keeps_its_detail_longer(memory: Memory) -> None:
    for index in range(60):
        spoken = said("now the plot of the story is told", 5.0 * index, 5.0 * index + 5)
        look = Look(5.0 * index, 0.0, 0.5)
        memory.append(segment(index, *((spoken, look) if index < 24 else (look,))))
    memory.append(segment(60, Gap(300.0, 400.0, "away"), start=400.0))
    used = settle(memory, 2000.0, 1 << 30).bytes
    nodes = [n for n in memory.timeline(levels=(1,)) if n.end <= 300.0]
    assert len(nodes) == 1 or nodes[0].last >= 11
    while not any(n.faded for n in memory.timeline(levels=(1,))):
        used -= 1000
        memory.consolidate(2000.0, used, steps=1)
    faded = [n.utterances for n in memory.timeline(levels=(1,)) if n.faded]
    assert faded == [min(n.utterances for n in memory.timeline(levels=(1,)))]


def test_consolidation_is_done_in_short_steps_and_says_when_there_is_more(memory: Memory) -> None:
    fill(memory, 200)
    outcome = memory.consolidate(1000.0, 0, steps=1)
    assert outcome.more
    assert outcome.faded <= 64


def test_a_session_goes_on_after_consolidation_as_it_would_have_without(tmp_path: Path) -> None:
    path = tmp_path / "s.onlooker"
    with Memory.open(path, hashed) as memory:
        fill(memory, 150)
        settle(memory, 750.0)
        live = [key(memory.recall(q, 750.0)) for q in ("topic number 40", "kettle", "page 9")]
        nodes = memory.timeline()
    with Memory.open(path, hashed) as memory:
        again = [key(memory.recall(q, 750.0)) for q in ("topic number 40", "kettle", "page 9")]
        assert again == live
        assert memory.timeline() == nodes
        memory.append(rich(150))
        assert memory.next_index == 151


def test_the_index_is_written_anew_when_many_lines_are_gone(
    monkeypatch: pytest.MonkeyPatch, memory: Memory
) -> None:
    monkeypatch.setattr("memory.line_index._BATCH", 8)
    fill(memory, 180)
    lines = memory.statistics().lines
    settle(memory, 2000.0)
    assert memory.statistics().lines < 0.8 * lines
    assert memory.recall("topic number 12", 500.0)[0].segment.index == 12


def test_very_short_segments_are_gathered_too(
    monkeypatch: pytest.MonkeyPatch, memory: Memory
) -> None:
    monkeypatch.setattr("memory.consolidation._BATCH", 16)
    for index in range(40):
        memory.append(Segment(index, 0.1 * index, 0.1 * index + 0.1, (), "scene"))
    settle(memory, 1000.0)
    assert [n.segments for n in memory.timeline(levels=(1,))] == [16, 16]


# Where episodes begin


def run(*scenes: Scene) -> list[Scene]:
    return list(scenes)


def test_episodes_begin_where_the_subject_changes() -> None:
    here, there = np.eye(2)
    cooking = [Scene(segment(i), here) for i in range(20)]
    assert not begins(cooking, Scene(segment(20), here))
    assert not begins(cooking, Scene(segment(20), None))
    assert begins(cooking, Scene(segment(20), there))
    young = cooking[: int(SHORTEST // 5) - 1]
    assert not begins(young, Scene(segment(len(young)), there))


def test_episodes_begin_after_an_absence_another_source_a_day_and_when_too_long() -> None:
    first = [Scene(segment(0), None)]
    assert begins(first, Scene(segment(1, start=60.0), None))
    assert begins(first, Scene(segment(1, Gap(5.0, 90.0, "away")), None))
    assert begins(first, Scene(replace(segment(1), source="door"), None))
    assert begins(
        [Scene(segment(0, start=86_394.0), None)], Scene(segment(1, start=86_400.0), None)
    )
    assert begins(
        [Scene(segment(i), None) for i in range(int(LONGEST // 5))],
        Scene(segment(int(LONGEST // 5)), None),
    )


# The timeline


def test_the_timeline_shows_segments_episodes_and_days(memory: Memory) -> None:
    day = 86_400.0
    for index in range(40):
        start = 5.0 * index if index < 30 else day + 5.0 * index
        memory.append(replace(rich(index), start=start, end=start + 5.0))
    memory.write_note(2, Note(10.0, 15.0, "the kettle boils", 20.0))
    settle(memory, day + 1000.0, 1 << 30)
    nodes = memory.timeline()
    assert [n.segments for n in nodes if n.level == 2] == [30]
    assert sum(n.segments for n in nodes if n.level == 1) >= 30
    assert [n.first for n in nodes if n.level == 0] == list(range(40))
    whole = nodes[0]
    assert (whole.level, whole.start, whole.end, whole.note) == (2, 0.0, 150.0, "the kettle boils")
    assert (whole.utterances, whole.texts, whole.objects, whole.fixations) == (30, 60, 60, 60)
    assert whole.picture == 0
    assert [n.level for n in memory.timeline(levels=(1,), since=day)] == []
    some = memory.timeline(since=120.0, until=130.0, levels=(0,))
    assert [n.first for n in some] == [24, 25, 26]


def test_the_timeline_of_a_moment_says_what_was_known_then(memory: Memory) -> None:
    fill(memory, 200)
    memory.write_note(0, Note(0.0, 5.0, "a kettle is shown", 30.0))
    settle(memory, 1000.0, 1 << 30)
    first = next(n for n in memory.timeline(until=12.0) if n.level == 1)
    assert (first.start, first.end, first.segments, first.note) == (0.0, 12.0, 3, "")
    assert first.utterances == 2
    assert memory.timeline(until=29.0, levels=(0,))[0].note == ""
    assert memory.timeline(until=30.0, levels=(0,))[0].note == "a kettle is shown"


def test_the_timeline_shows_when_the_source_was_away(memory: Memory) -> None:
    memory.append(segment(0, Gap(1.0, 1.5, "no picture")))
    memory.append(segment(1, Gap(6.0, 66.0, "the camera was unplugged"), said("back", 6.0)))
    memory.append(segment(2, said("later", 70.0), start=66.0))
    assert [gap.start for gap in memory.gaps(0.0, 100.0)] == [1.0, 6.0]
    assert memory.gaps(0.0, 100.0, 10.0) == [Gap(6.0, 66.0, "the camera was unplugged")]
    assert [gap.start for gap in memory.gaps(30.0, 40.0)] == [6.0]
    assert memory.gaps(67.0, 80.0) == []


# Causality


def lasting(segments: list[Segment]) -> list[object]:
    return [(s.index, s.start, s.end, s.closed_by, s.source, s.note, told(s)) for s in segments]


def as_known(memory: Memory, time: float) -> list[object]:
    return [
        (s.index, s.start, s.end, s.closed_by, s.observations, s.thumbnail, s.note)
        for s in memory.segments(time)
    ]


AWAY = 100.0


def later(count: int, start: int, seed: int) -> list[Segment]:
    """Segments after an absence, which ends the episode before it."""
    rng = np.random.default_rng(seed)
    return [
        replace(
            segment(
                index,
                said(f"later thing {rng.integers(50)}", AWAY + 5.0 * index),
                SeenObject(AWAY + 5.0 * index + 1, str(rng.choice(["red", "cat"])), 0.9),
                start=AWAY + 5.0 * index,
            ),
            thumbnail=bytes([int(rng.integers(256))]),
        )
        for index in range(start, start + count)
    ]


@settings(max_examples=12, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(
    past=streams(6),
    future=streams(6),
    time=st.floats(0.0, 29.0, width=16),
    question=st.sampled_from(QUESTIONS),
    seeds=st.tuples(st.integers(0, 3), st.integers(4, 9)),
)
def test_neither_later_segments_nor_notes_nor_turns_nor_consolidation_change_what_was_known(
    past: list[Segment],
    future: list[Segment],
    time: float,
    question: str,
    seeds: tuple[int, int],
) -> None:
    before = []
    faded = []
    worlds = [joined(past, past, time), joined(past, future, time)]
    noted = max(stream[0].known_at for stream in worlds)
    for number, stream in enumerate(worlds):
        with Memory.open(None, hashed) as memory:
            for part in stream:
                memory.append(replace(part, thumbnail=b"%d" % part.index))
            memory.write_note(0, Note(0.0, 5.0, "a red car", noted))
            known = as_known(memory, time)
            answer = key(memory.recall(question, time))
            stays = lasting(memory.segments(time))
            # Much later: more of the stream, other notes, questions about the past.
            for part in later(10, 6, seeds[number]):
                memory.append(part)
            memory.write_note(0, Note(0.0, 5.0, f"a cat, number {number}", 40.0 + number))
            memory.write_note(1, Note(5.0, 10.0, "a door", 31.0))
            memory.remember(Turn(50.0 + number, "Where was it?", "There.", segments=(0,)))
            assert as_known(memory, time) == known
            assert key(memory.recall(question, time)) == answer
            before.append((known, answer, memory.relevant_turns(question, time)))
            settle(memory, 1030.0, 1 << 30)
            assert as_known(memory, time) == known
            assert key(memory.recall(question, time)) == answer
            # With no room, detail goes: never what was told, and nothing of later comes in.
            settle(memory, 1030.0)
            assert lasting(memory.segments(time)) == stays
            assert memory.segments(time, media=False)[0].level == 2
            faded.append((as_known(memory, time), key(memory.recall(question, time))))
    assert before[0] == before[1]
    assert faded[0] == faded[1]


@settings(max_examples=10, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(past=streams(6), time=st.floats(0.0, 29.0, width=16))
def test_what_fades_is_taken_from_what_was_known_and_nothing_is_added(
    past: list[Segment], time: float
) -> None:
    with Memory.open(None, hashed) as memory:
        for part in [*past, *later(4, 6, 1)]:
            memory.append(part)
        before: list[set[Observation]] = [set(s.observations) for s in memory.segments(time)]
        settle(memory, 2000.0)
        after = [set(s.observations) for s in memory.segments(time)]
        assert len(before) == len(after)
        assert all(new <= old for old, new in zip(before, after, strict=True))
