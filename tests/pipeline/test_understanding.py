"""Speech of a live stream is understood beside watching."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import numpy as np

from memory.memory import Memory
from memory.segment import Gap, Look, Utterance
from models.media import AudioChunk, Media
from models.speech.recogniser import Transcript
from models.speech.voice import Speech
from pipeline.lane import SEALED
from pipeline.perception import UNHEARD, Perception
from pipeline.session import Session
from pipeline.sources import open_source
from pipeline.supervisor import Supervisor
from pipeline.understanding import MOST, Understanding
from tests.pipeline.fakes import Ears, Echo, Scripted, engine, frames, hashed


class Held(Ears):
    """Understands nothing until it may."""

    def __init__(self) -> None:
        self.begun: list[float] = []
        self.may = threading.Event()

    def transcribe(self, speech: Speech) -> Transcript | None:
        self.begun.append(speech.start)
        assert self.may.wait(20)
        return super().transcribe(speech)


def spoken(start: float) -> Speech:
    return Speech(start, np.zeros(16_000, np.float32))


def until(so: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@contextmanager
def beside(understanding: Understanding) -> Iterator[None]:
    understanding.start()
    try:
        yield
    finally:
        assert understanding.close(time.monotonic() + 20)


def test_nobody_waits_for_words_and_they_come_in_the_order_of_speech() -> None:
    ears = Held()
    understanding = Understanding(ears.transcribe)
    with beside(understanding):
        for start in (1.0, 3.0):
            assert understanding.put(spoken(start)) is None
        assert understanding.understood() == []
        assert [said.speech.start for said in understanding.waiting] == [1.0, 3.0]
        ears.may.set()
        found = understanding.understood(everything=True)
        assert [said.words().text for said in found] == ["words of 1.0", "words of 3.0"]
        assert understanding.waiting == ()


def test_without_a_thread_words_are_there_at_once() -> None:
    understanding = Understanding(Ears().transcribe)
    understanding.put(spoken(2.0))
    (said,) = understanding.understood()
    assert said.words().text == "words of 2.0"


def test_of_too_much_speech_the_oldest_that_nobody_began_with_is_a_gap_and_counted() -> None:
    ears, supervisor = Held(), Supervisor()
    senses = replace(engine().senses, hearing=ears)
    perception = Perception(senses, supervisor)
    with beside(perception.understanding):
        perception._put([spoken(0.0)])
        until(lambda: ears.begun)
        perception._put([spoken(2.0 * n) for n in range(1, MOST + 1)])
        assert perception.understanding.left_out == 1
        assert perception.speaking_since == 0.0
        ears.may.set()
        heard = perception.finish()
    assert [u.start for u in heard] == [0.0, *(2.0 * n for n in range(2, MOST + 1))]
    assert supervisor.gaps(20.0) == (Gap(2.0, 3.0, UNHEARD),)


def test_what_understanding_raises_is_a_gap_where_it_was_spoken() -> None:
    class Deaf(Ears):
        def transcribe(self, speech: Speech) -> Transcript | None:
            raise RuntimeError("out of memory")

    supervisor = Supervisor()
    perception = Perception(replace(engine().senses, hearing=Deaf()), supervisor)
    with beside(perception.understanding):
        perception._put([spoken(3.0)])
        assert perception.finish() == []
    assert [(g.start, g.end) for g in supervisor.finish(4.0)] == [(3.0, 4.0)]


def test_a_live_stream_is_watched_on_while_a_sentence_is_put_into_words(sample: Path) -> None:
    """And a question meanwhile waits for the words; no segment closes without them."""
    ears, echo = Held(), Echo()
    fake = engine(echo)
    fake = replace(fake, senses=replace(fake.senses, hearing=ears))
    with open_source(str(sample), rate=1) as clip:
        first = takewhile(lambda media: media.time < 20, clip)
        sound: list[Media] = [media for media in first if isinstance(media, AudioChunk)]
    source = Scripted(sorted([*frames(20), *sound], key=lambda m: m.time))
    answers: list[str] = []
    with (
        Memory.open(None, hashed) as memory,
        Session(source, fake, memory, stepped=True) as session,
    ):
        # As of a live source, which would not wait for the step.
        session._lanes[0]._perception.understanding.start()
        session.watch_until(18.0)
        assert ears.begun and session.status.wordless > 5.0
        assert not memory.segments()
        thread = threading.Thread(target=lambda: answers.append("".join(session.ask("What?"))))
        thread.start()
        ears.may.set()
        thread.join(20)
        session.watch_until(30.0)
        segments = memory.segments()
    said = [o for s in segments for o in s.observations if isinstance(o, Utterance)]
    heard = {x.text for p in echo.asked[-1].passages for x in p.lines if x.kind == "heard"}
    assert answers and {said[0].text, said[1].text} <= heard
    for segment in segments:
        for each in segment.observations:
            if isinstance(each, Utterance):
                assert segment.start - 0.5 <= each.start < segment.end


def test_who_ends_in_a_hurry_keeps_what_was_seen_and_a_gap_for_the_words(sample: Path) -> None:
    ears = Held()
    fake = engine()
    fake = replace(fake, senses=replace(fake.senses, hearing=ears))
    with open_source(str(sample), rate=1) as clip:
        media = list(takewhile(lambda each: each.time < 10, clip))
    with Memory.open(None, hashed) as memory:
        session = Session(Scripted(media), fake, memory)
        session._lanes[0]._perception.understanding.start()
        session.start()
        until(lambda: session.status.wordless > 2.0)
        began = time.monotonic()
        session.close(SEALED + 0.2)
        assert time.monotonic() - began < 5.0
        until(lambda: not session.status.watching)
        found = [o for s in memory.segments() for o in s.observations]
        ears.may.set()
        assert session._lanes[0]._perception.understanding.close(time.monotonic() + 20)
    gaps = [gap.reason for gap in found if isinstance(gap, Gap)]
    assert [reason for reason in gaps if "understanding speech failed" in reason]
    assert [o for o in found if isinstance(o, Look)]


def test_the_thread_ends_with_the_session() -> None:
    before = set(threading.enumerate())
    with (
        Memory.open(None, hashed) as memory,
        Session(Scripted(frames(4), live=True), engine(), memory) as session,
    ):
        assert session.wait(20)
        own = set(threading.enumerate()) - before
        assert any(thread.name == "understand" for thread in own)
    assert not any(thread.is_alive() for thread in own)
