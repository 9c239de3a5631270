"""Several sources in one session: one memory, one clock, each by its name."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from memory.memory import Memory
from models.media import AudioChunk, Break, Frame, GazeSample, Media, moved
from pipeline import session as session_module
from pipeline.engine import Engine
from pipeline.events import Remark
from pipeline.session import Session
from pipeline.sources import FileSource, SourceError
from tests.pipeline.fakes import Echo, Scripted, engine, frames, hashed
from tests.pipeline.media import part


@pytest.fixture
def memory() -> Iterator[Memory]:
    with Memory.open(None, hashed) as memory:
        yield memory


class Missing(Scripted):
    def __enter__(self) -> Missing:
        raise SourceError("the yard cannot be opened")


def test_two_sources_are_watched_into_one_memory_each_whole_and_by_its_name(
    memory: Memory,
) -> None:
    echo = Echo()
    sources = {"door": Scripted(frames(25)), "yard": Scripted(frames(35))}
    with Session(sources, engine(echo), memory) as session:
        assert session.wait(60)
        segments = memory.segments()
        assert [s.index for s in segments] == list(range(len(segments)))
        for name, seconds in (("door", 25), ("yard", 35)):
            mine = [s for s in segments if s.source == name]
            assert mine[0].start == 0.0 and mine[-1].end == pytest.approx(seconds, abs=0.3)
            assert all(a.end == b.start for a, b in itertools.pairwise(mine))
        assert {p.source for p in echo.watched} == {"door", "yard"}
        assert {e.source for e in session.events()} == {"door", "yard"}
        status = session.status
        assert [(lane.name, lane.watching) for lane in status.lanes] == [
            ("door", False),
            ("yard", False),
        ]
        assert status.offered == sum(lane.offered for lane in status.lanes) == 240
        assert set(session.properties_by_name) == {"door", "yard"}


def test_one_that_fails_does_not_end_the_others(memory: Memory) -> None:
    broken = Scripted(frames(5), failing=SourceError("the cable is out"))
    with Session({"door": broken, "yard": Scripted(frames(30))}, engine(), memory) as session:
        assert session.wait(60)
        assert session.status.error == "door: the cable is out"
        assert [lane.error for lane in session.status.lanes] == ["the cable is out", None]
        assert memory.latest(1, source="yard")[0].end == pytest.approx(29.75)
        told = [
            e for e in session.events() if isinstance(e.what, Remark) and e.what.kind == "error"
        ]
        assert [e.source for e in told] == ["door"]


def test_where_one_cannot_be_opened_none_is_watched(memory: Memory) -> None:
    door = Scripted(frames(5))
    session = Session({"door": door, "yard": Missing([])}, engine(), memory)
    with pytest.raises(SourceError, match="yard cannot be opened"):
        session.start()
    assert door._closed and not session.status.watching


def test_live_sources_share_the_sessions_clock_and_go_on_behind_what_memory_holds(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for before in (0.0, 49.75):
        ticks = itertools.chain([100.0, 100.0, 107.0, 107.0], itertools.repeat(108.0))
        monkeypatch.setattr(
            session_module, "clock", SimpleNamespace(monotonic=lambda t=ticks: next(t))
        )
        held = memory.next_index
        sources = {
            "door": Scripted(frames(50), live=True),
            "yard": Scripted(frames(43), live=True),
        }
        with Session(sources, engine(), memory) as session:
            assert session.wait()
        new = memory.segments(since_index=held)
        ends = [max(s.end for s in new if s.source == name) for name in sources]
        assert ends == pytest.approx([before + 49.75, before + 49.75], abs=0.01)


def test_a_stepped_session_of_several_sees_nothing_beyond_its_step(memory: Memory) -> None:
    echo = Echo()
    sources = {"door": Scripted(frames(20)), "yard": Scripted(frames(40))}
    with Session(sources, engine(echo), memory, stepped=True) as session:
        for time in (7.3, 15.0, 30.0):
            session.watch_until(time)
            list(session.ask("What is there?", history=False))
            passages = echo.asked[-1].passages
            assert max(line.end for p in passages for line in p.lines) <= time
            assert {p.source for p in passages} == {"door", "yard"}
        list(session.ask("What is there?", at=9.0, history=False))
        assert max(p.end for p in echo.asked[-1].passages) <= 9.0
        assert {p.source for p in echo.asked[-1].passages} == {"door", "yard"}


def test_a_question_that_names_a_source_is_put_with_that_source_alone(memory: Memory) -> None:
    echo = Echo()
    sources = {"door": Scripted(frames(22)), "back yard": Scripted(frames(22))}
    with Session(sources, engine(echo), memory, stepped=True) as session:
        session.watch_until(15.0)
        list(session.ask("What is at the back yard?"))
        asked = echo.asked[-1]
        assert {p.source for p in asked.passages} == {"back yard"}
        assert {line.source for p in asked.passages for line in p.lines} == {"back yard"}
        assert "yard" not in asked.about
        list(session.ask("What is there?"))
        assert {p.source for p in echo.asked[-1].passages} == {"door", "back yard"}


def test_files_go_on_each_where_its_own_name_ended(memory: Memory) -> None:
    first = {"door": Scripted(frames(10)), "yard": Scripted(frames(30))}
    with Session(first, engine(), memory) as session:
        assert session.wait(60)
    rest = {
        "door": Scripted(frames(10, start=9.75)),
        "yard": Scripted(frames(10, start=29.75)),
    }
    with Session(rest, engine(), memory) as session:
        assert session.wait(60)
    for name in rest:
        mine = [s for s in memory.segments() if s.source == name]
        assert all(a.end == b.start for a, b in itertools.pairwise(mine))
    assert memory.latest(1, source="door")[0].end == pytest.approx(19.5)


@pytest.mark.parametrize(
    "media", [Frame(1.0, None), AudioChunk(1.0, None), GazeSample(1.0, 0, 0), Break(1.0, 3.0, "")]
)
def test_every_kind_of_media_is_placed_on_the_sessions_clock(media: Media) -> None:
    placed = moved(media, 10.0)
    assert placed.time == 11.0 and type(placed) is type(media)
    assert not isinstance(placed, Break) or placed.end == 13.0


def test_which_source_heard_or_saw_a_thing_is_answered_by_its_name(
    embedded: Engine, sample: Path, tmp_path: Path
) -> None:
    sources = {
        "door": FileSource(part(sample, tmp_path / "a.mp4", 0, 11)),
        "yard": FileSource(part(sample, tmp_path / "b.mp4", 35, 45)),
    }
    with (
        Memory.open(None, embedded.embed) as memory,
        Session(sources, embedded, memory) as session,
    ):
        assert session.wait(240)

        def asked(question: str, *options: str) -> str:
            return "".join(session.ask(question, options, history=False)).strip()

        said = {
            name: " ".join(
                o.text
                for s in memory.segments(media=False)
                if s.source == name
                for o in s.observations
                if type(o).__name__ == "Utterance"
            )
            for name in sources
        }
        assert "satellite" in said["yard"] and "satellite" not in said["door"], said
        assert asked("Which camera heard something about a satellite?").startswith("yard.")
        assert (
            asked("Which one of the cameras heard about the satellite?", "door", "yard") == "yard"
        )
        assert "(yard)" in asked("What was said about the satellite?")
        assert "satellite" not in asked("What was said at the door?")
