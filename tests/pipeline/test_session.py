"""A session watches, is asked meanwhile, ends, and goes on; nothing seen is lost."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from memory.memory import Memory
from memory.segment import Note, Segment
from models.media import AudioChunk, Frame, Media
from models.reasoning.reasoner import ReasonerError
from models.speech.recogniser import Transcript
from models.speech.voice import Speech
from pipeline.answer import AskError
from pipeline.events import Remark
from pipeline.recollection import Recollection
from pipeline.session import Session, resume_at
from pipeline.sources import SourceError, open_source
from tests.pipeline.fakes import Ears, Echo, Scripted, engine, frames, hashed, silence


def merged(*kinds: list[Media]) -> list[Media]:
    return sorted((m for kind in kinds for m in kind), key=lambda m: m.time)


def latest(echo: Echo) -> float:
    """Latest stream time in the evidence last put before a reasoner."""
    lines = [line.end for p in echo.asked[-1].passages for line in p.lines]
    shown = [time for p in echo.asked[-1].passages for time in p.frame_times]
    return max([p.end for p in echo.asked[-1].passages] + lines + shown)


def test_a_real_clip_is_watched_to_its_end_and_then_answers(sample: Path) -> None:
    echo = Echo()
    with (
        Memory.open(None, hashed) as memory,
        Session(open_source(str(sample)), engine(echo), memory) as session,
    ):
        assert session.wait(60)
        status = session.status
        assert status.time == pytest.approx(60.0, abs=0.2) and status.error is None
        assert status.dropped == 0
        segments = memory.segments()
        assert len(echo.watched) == len(segments) == status.segments
        assert {s.closed_by for s in segments} >= {"scene"}
        assert [s.start for s in segments[1:]] == [s.end for s in segments[:-1]]
        answer = session.ask("What was said?")
        assert "".join(answer) == answer.text != ""
        assert answer.timings.total >= answer.timings.first_token > 0
        assert memory.turns()[-1].answer == answer.text


@pytest.mark.parametrize("stopped", [False, True])
def test_the_last_remark_tells_a_stop_from_the_end_of_the_stream(stopped: bool) -> None:
    source = Scripted(merged(frames(20), silence(20)))
    with Memory.open(None, hashed) as memory:
        session = Session(source, engine(Echo()), memory, stepped=stopped).start()
        if not stopped:
            assert session.wait(20)
        session.close()
        remarks = [e.what for e in session.events() if isinstance(e.what, Remark)]
    assert remarks[-1].kind == ("stopped" if stopped else "end")


class Beholder(Echo):
    """Looks at pictures; keeps what it was shown, in order, and counts its idle moments."""

    takes_pictures = True

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[float | tuple[float, ...]] = []
        self.idled = threading.Event()

    def see(self, image, time) -> None:
        self.shown.append(time)

    def watch(self, passage) -> None:
        super().watch(passage)
        self.shown.append(passage.frame_times)

    def note(self, passage) -> str:
        raise ReasonerError("no words today")

    def idle(self) -> bool:
        self.idled.set()
        return False


def test_pictures_are_shown_before_their_passage_and_again_when_recalled() -> None:
    beholder = Beholder()
    source = Scripted(merged(frames(40), silence(40)))
    with (
        Memory.open(None, hashed) as memory,
        Session(source, engine(beholder), memory) as session,
    ):
        assert session.wait(20)
        ahead: list[float] = []
        for shown in beholder.shown:
            if isinstance(shown, tuple):
                assert set(shown) <= set(ahead)
            else:
                ahead.append(shown)
        assert ahead
        assert len(memory.segments()) > 2
        "".join(session.ask("what was at the beginning?", at=38.0))
        asked = [p.frame_times for p in beholder.asked[-1].passages]
        assert 0 < max(t for times in asked[:-1] for t in times) <= 38.0


def test_what_a_reasoner_does_in_idle_time_may_fail_and_watching_goes_on() -> None:
    beholder = Beholder()
    source = Scripted(merged(frames(40), silence(40)))
    with (
        Memory.open(None, hashed) as memory,
        Session(source, engine(beholder), memory) as session,
    ):
        assert session.wait(20)
        assert beholder.idled.wait(20)
        remarks = [e.what.text for e in session.events() if isinstance(e.what, Remark)]
        assert any("no words today" in text for text in remarks)
        assert len(beholder.watched) == len(memory.segments())


def test_the_event_log_holds_no_features_by_the_gigabyte() -> None:
    with (
        Memory.open(None, hashed) as memory,
        Session(Scripted(merged(frames(20), silence(20))), engine(Echo()), memory) as session,
    ):
        assert session.wait(20)
        told = [e.what for e in session.events() if isinstance(e.what, Segment)]
        assert told and all(segment.features is None for segment in told)
        assert any(segment.features is not None for segment in memory.segments())


def test_a_stepped_session_sees_nothing_beyond_its_step() -> None:
    echo = Echo()
    source = Scripted(merged(frames(20), silence(20)))
    with (
        Memory.open(None, hashed) as memory,
        Session(source, engine(echo), memory, stepped=True) as session,
    ):
        for time in (3.0, 7.25, 12.9):
            session.watch_until(time)
            list(session.ask("What is there?", history=False))
            assert latest(echo) == pytest.approx(time, abs=0.01)
        session.watch_until(50.0)
        assert session.status.time == pytest.approx(20.0, abs=0.01)


def test_an_answer_as_of_an_earlier_time_uses_nothing_later() -> None:
    echo = Echo()
    with (
        Memory.open(None, hashed) as memory,
        Session(Scripted(frames(30)), engine(echo), memory) as session,
    ):
        assert session.wait(20)
        list(session.ask("What is there?", at=8.0))
        assert latest(echo) <= 8.0 and echo.asked[-1].time == 8.0


def test_watching_goes_on_while_an_answer_is_made() -> None:
    hold = threading.Event()
    echo = Echo(hold)
    source = Scripted(frames(30))
    with (
        Memory.open(None, hashed) as memory,
        Session(source, engine(echo), memory, stepped=True) as session,
    ):
        session.watch_until(5.0)
        answer = session.ask("What is there?")
        thread = threading.Thread(target=lambda: list(answer))
        thread.start()
        assert echo.answering.wait(10)
        session.watch_until(25.0)  # would never return if the answer held watching up
        assert session.status.sampled >= 25
        hold.set()
        thread.join(10)
        assert latest(echo) == 5.0  # and the answer knows only what it was asked on


class Slow(Ears):
    """Takes as long to understand as ``hold`` says."""

    def __init__(self, hold: threading.Event) -> None:
        self.hold = hold
        self.listening = threading.Event()
        self.waited_in_vain = False

    def transcribe(self, speech: Speech) -> Transcript | None:
        self.listening.set()
        self.waited_in_vain = not self.hold.wait(10)
        return super().transcribe(speech)


def test_watching_goes_on_while_half_a_sentence_is_understood_for_a_question(
    sample: Path,
) -> None:
    hold, echo = threading.Event(), Echo()
    slow = Slow(hold)
    fake = engine(echo)
    fake = replace(fake, senses=replace(fake.senses, hearing=slow))
    with open_source(str(sample), rate=1) as source:
        first = itertools.takewhile(lambda media: media.time < 7, source)
        chunks: list[Media] = [media for media in first if isinstance(media, AudioChunk)]
    answers: list[str] = []
    with (
        Memory.open(None, hashed) as memory,
        Session(Scripted(merged(frames(7), chunks)), fake, memory, stepped=True) as session,
    ):
        session.watch_until(3.0)  # in the middle of the narrator's first sentence
        thread = threading.Thread(target=lambda: answers.append("".join(session.ask("What?"))))
        thread.start()
        assert slow.listening.wait(10)
        session.watch_until(5.0)
        assert not slow.waited_in_vain  # as it would if understanding held watching up
        hold.set()
        thread.join(10)
    said = [line.text for p in echo.asked[-1].passages for line in p.lines if line.kind == "heard"]
    assert said and latest(echo) == pytest.approx(3.0, abs=0.01)
    assert answers


def test_a_cancelled_answer_ends_at_its_next_token() -> None:
    echo = Echo()
    with (
        Memory.open(None, hashed) as memory,
        Session(Scripted(frames(40)), engine(echo), memory) as session,
    ):
        assert session.wait(20)
        answer = session.ask("What is there?")
        pieces = iter(answer)
        next(pieces)
        answer.cancel()
        assert list(pieces) == []


def test_multiple_choice_gives_a_place_and_probabilities() -> None:
    with (
        Memory.open(None, hashed) as memory,
        Session(Scripted(frames(5)), engine(), memory) as session,
    ):
        assert session.wait(20)
        answer = session.ask("Which?", ["this", "that"])
        assert "".join(answer) == "this"
        assert answer.choice == 0 and answer.probabilities == (1.0, 0.0)


def test_questions_that_cannot_be_answered_say_why() -> None:
    with (
        Memory.open(None, hashed) as memory,
        Session(Scripted(frames(5)), engine(), memory, stepped=True) as session,
    ):
        with pytest.raises(AskError, match="the question is empty"):
            session.ask("  ")
        with pytest.raises(AskError, match="nothing had been seen"):
            session.ask("What is there?", at=-1.0)


def test_what_was_seen_before_the_source_broke_is_kept_and_told() -> None:
    source = Scripted(frames(12), failing=SourceError("clip.mp4 is damaged after 12.0 s"))
    with Memory.open(None, hashed) as memory:
        with Session(source, engine(), memory) as session:
            assert session.wait(20)
            assert session.status.error == "clip.mp4 is damaged after 12.0 s"
            told = [e.what for e in session.events() if isinstance(e.what, Remark)]
            assert [(r.kind, r.text) for r in told][-1][1] == "clip.mp4 is damaged after 12.0 s"
            assert "".join(session.ask("What is there?"))
        assert memory.segments()[-1].end == pytest.approx(11.75)


def test_events_come_in_order_and_every_segment_is_on_disk_when_told() -> None:
    with (
        Memory.open(None, hashed) as memory,
        Session(Scripted(frames(35)), engine(), memory, stepped=True) as session,
    ):
        number = 0
        told: list[Segment] = []
        for time in (12.0, 24.0, 99.0):
            session.watch_until(time)
            for event in session.events(number):
                assert event.number == number + 1
                number = event.number
                if isinstance(event.what, Segment):
                    told.append(event.what)
        assert [s.index for s in told] == [s.index for s in memory.segments()]


def test_notes_are_written_in_idle_time_and_kept() -> None:
    with (
        Memory.open(None, hashed) as memory,
        Session(Scripted(frames(35)), engine(), memory, stepped=True) as session,
    ):
        session.watch_until(30.0)
        number = 0
        while True:
            events = session.events(number, timeout=10)
            assert events, "no note came"
            number = events[-1].number
            notes = [e.what for e in events if isinstance(e.what, Note)]
            if notes:
                break
        kept = [s.note for s in memory.segments() if s.note is not None]
        assert notes[0].text in {note.text for note in kept}


def test_a_session_goes_on_where_it_was_closed_and_hears_no_sentence_twice(
    sample: Path, tmp_path: Path
) -> None:
    path = tmp_path / "day.onlooker"
    with Memory.open(path, hashed) as memory:
        with Session(open_source(str(sample)), engine(), memory, stepped=True) as session:
            session.watch_until(30.0)
        first = memory.segments()
    with Memory.open(path, hashed) as memory:
        echo = Echo()
        source = open_source(str(sample), start=resume_at(memory))
        with Session(source, engine(echo), memory) as session:
            assert session.wait(60)
        whole = memory.segments()
    assert [s.start for s in whole[: len(first)]] == [s.start for s in first]
    assert all(a.end == b.start for a, b in itertools.pairwise(whole))
    assert whole[-1].end == pytest.approx(60.0, abs=0.2)
    assert len(echo.watched) == len(whole)  # the earlier segments were read again
    spoken = [o for s in whole for o in s.observations if hasattr(o, "words")]
    assert all(a.end <= b.start + 0.01 for a, b in itertools.pairwise(spoken))


def test_a_finished_session_answers_without_its_source(tmp_path: Path) -> None:
    path = tmp_path / "day.onlooker"
    with (
        Memory.open(path, hashed) as memory,
        Session(Scripted(frames(25)), engine(), memory) as session,
    ):
        assert session.wait(20)
    with Memory.open(path, hashed, read_only=True) as memory:
        past = Recollection(engine(), memory)
        assert "".join(past.ask("What was there?", history=False))
        echo = Echo()
        list(Recollection(engine(echo), memory).ask("And then?", at=6.0, history=False))
        assert latest(echo) <= 6.0
    with Memory.open(None, hashed) as empty, pytest.raises(AskError, match="holds nothing"):
        Recollection(engine(), empty)


def test_a_slow_watcher_of_a_live_source_drops_frames_and_counts_them() -> None:
    total = 400
    source = Scripted(merged(frames(total / 4), silence(total / 4)), live=True)
    with (
        Memory.open(None, hashed) as memory,
        Session(source, engine(), memory, stepped=True) as session,
    ):
        while session.status.read < total / 4 * 9:  # the reader never waits
            session.events(0, timeout=0.01)
        session.watch_until(1e6)
        status = session.status
        assert status.dropped > 0
        assert status.offered < total


def test_media_of_two_kinds_is_watched_on_one_clock() -> None:
    media = merged(frames(3), silence(3))
    assert {type(m) for m in media} == {Frame, AudioChunk}
    with (
        Memory.open(None, hashed) as memory,
        Session(Scripted(media), engine(), memory) as session,
    ):
        assert session.wait(20)
        assert memory.segments()[-1].end == pytest.approx(3.0)
        assert session.status.time == pytest.approx(3.0)
