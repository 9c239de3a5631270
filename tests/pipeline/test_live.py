"""Live means live: however slow the machine, watching stays close behind the source.

Time is made of work here: a clock moves on by what each step costs, and the source gives what
the clock has reached. Nothing sleeps, and nothing depends on the machine.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from memory.memory import Memory
from memory.segment import Gap, Observation, ScreenText, Utterance
from models.media import AudioChunk, Break, Frame, Media
from models.speech.recogniser import Transcript
from models.speech.voice import Speech, VoiceActivity
from models.vision.objects import Looked
from models.vision.text_reader import TextReader
from pipeline.engine import Engine
from pipeline.events import Remark
from pipeline.quality import Quality
from pipeline.session import Session
from pipeline.sources.source import Properties
from tests.pipeline.fakes import Ears, Eyes, Glasses, engine, hashed


class Clock:
    """Seconds of work done, and of waiting for the source."""

    def __init__(self) -> None:
        self.now = 0.0
        self.eased_at = float("inf")  # from then on work costs next to nothing
        self.working = False
        self.changed = threading.Condition()

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float) -> None:
        """As long as this takes, the source goes on."""
        with self.changed:
            self.working = True
            target = self.now + seconds * (1.0 if self.now < self.eased_at else 0.01)
            self.now = target
            self.changed.notify_all()
        self.live.wait_until_given(target)
        self.working = False

    live: LiveSource


class LiveSource:
    """Four pictures and five chunks of sound a second, as the clock reaches them; a little on
    its own whenever all has been watched."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        pictures = [
            Frame(i / 4, np.full((36, 64, 3), (i * 37) % 256, np.uint8))
            for i in range(round(seconds * 4))
        ]
        sound = [
            AudioChunk(i / 5, np.full(3200, 0.5, np.float32)) for i in range(round(seconds * 5))
        ]
        self.media: list[Media] = sorted([*pictures, *sound], key=lambda m: m.time)
        self.given = 0.0
        self.session: Session | None = None
        self.clock = clock
        self._closed = False
        clock.live = self

    properties = Properties("live", None, True, 64, 36, 4.0, True, True)

    def __enter__(self) -> LiveSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self.clock.changed:
            self._closed = True
            self.clock.changed.notify_all()

    def __iter__(self) -> Iterator[Media]:
        clock = self.clock
        for item in self.media:
            with clock.changed:
                while clock.now < item.time and not self._closed:
                    reader = self.session._lanes[0].reader if self.session else None
                    # Where the last that came was left out, watching is behind and has nothing.
                    idle = reader is None or reader.lag == 0 or not len(reader._queue)
                    if idle and not clock.working:
                        clock.now = item.time
                    else:
                        clock.changed.wait(0.001)
            if self._closed:
                return
            yield item
            with clock.changed:  # asked for the next: this one is in the queue
                self.given = item.time
                clock.changed.notify_all()
        with clock.changed:
            self.given = float("inf")
            clock.changed.notify_all()

    def wait_until_given(self, time: float) -> None:
        with self.clock.changed:
            while not self._closed and self.given < time - 0.26:
                self.clock.changed.wait(0.05)


def costly(clock: Clock, look: float, read: float, hear: float = 0.0) -> Engine:
    """An engine whose steps cost seconds of the clock."""

    class SlowEyes(Eyes):
        def look(self, image: NDArray[np.uint8]) -> Looked:
            clock.work(look * max(image.shape[:2]) / 64)
            return super().look(image)

    class SlowGlasses(Glasses):
        def find(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
            clock.work(read)
            return super().find(image)

    class SlowEars(Ears):
        def transcribe(self, speech: Speech) -> Transcript | None:
            clock.work(hear)
            return super().transcribe(speech)

    whole = engine()
    senses = replace(
        whole.senses,
        seeing=SlowEyes(),
        reading=cast(TextReader, SlowGlasses()),
        hearing=SlowEars(),
    )
    return replace(whole, senses=senses)


def watching(source: LiveSource, slow: Engine, memory: Memory) -> Session:
    """A session by the source's clock, not yet begun."""
    source.session = Session(source, slow, memory, monotonic=source.clock)
    return source.session


def test_an_overload_steps_down_in_order_keeps_the_lag_bounded_and_recovers() -> None:
    clock = Clock()
    clock.eased_at = 20.0
    source = LiveSource(clock, 80.0)
    lags: list[float] = []
    with (
        Memory.open(None, hashed) as memory,
        watching(source, costly(clock, look=0.9, read=0.9), memory) as session,
    ):
        number = 0
        steps: list[tuple[float, str]] = []
        ended = False
        while not ended:
            ended = not session.status.watching
            for event in session.events(number, timeout=5):
                number = event.number
                if isinstance(event.what, Remark) and event.what.kind == "quality":
                    steps.append((event.what.time, event.what.text))
                    lags.append(session.status.lag)
        status = session.status
    words = [text.removeprefix("quality: ") for _, text in steps]
    assert words[:2] == [Quality.FEWER_PICTURES.words, Quality.NO_READING.words]
    assert words[-1] == Quality.FULL.words and status.quality is Quality.FULL
    order = [next(q for q in Quality if q.words == word) for word in words]
    assert all(abs(a - b) == 1 for a, b in zip([Quality.FULL, *order], order, strict=False))
    assert status.dropped > 0
    assert max(lags) < 2.0


@pytest.mark.parametrize("cost", [0.05, 0.2, 0.5, 0.8])
def test_whatever_a_look_costs_what_is_watched_is_less_than_two_seconds_old(
    cost: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    source = LiveSource(clock, 30.0)
    late: list[float] = []
    with Memory.open(None, hashed) as memory:
        session = watching(source, costly(clock, cost, cost), memory)
        lane = session._lanes[0]
        take = lane.watcher.take

        def measured(media: Media) -> object:
            done = take(media)
            if not isinstance(media, Break):
                late.append(lane.reader.lag)
            return done

        monkeypatch.setattr(lane.watcher, "take", measured)
        with session:
            assert session.wait(60)
            status = session.status
    assert max(late) < 2.0
    assert status.read == len(source.media) and status.time >= 29.0


def test_speech_is_whole_while_pictures_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    source = LiveSource(clock, 40.0)
    monkeypatch.setattr(
        VoiceActivity, "_judge", lambda self, frames: np.ones(len(frames), np.float32)
    )
    with (
        Memory.open(None, hashed) as memory,
        watching(source, costly(clock, look=0.8, read=0.8, hear=0.5), memory) as session,
    ):
        assert session.wait(60)
        status = session.status
        found: list[Observation] = [o for s in memory.segments() for o in s.observations]
    said = [o for o in found if isinstance(o, Utterance)]
    assert status.dropped > 0
    assert said[0].start == pytest.approx(0.0, abs=0.1) and said[-1].end >= 39.0
    assert all(b.start - a.end < 0.1 for a, b in pairwise(said))
    assert not [o for o in found if isinstance(o, Gap) and "sound" in o.reason]
    unread = [o for o in found if isinstance(o, Gap) and "text on screen was not read" in o.reason]
    assert unread and not [o for o in found if isinstance(o, ScreenText)]


def test_a_file_is_watched_whole_at_full_quality_however_slow_the_machine() -> None:
    clock = Clock()
    source = LiveSource(clock, 20.0)
    source.properties = replace(source.properties, live=False)
    source.wait_until_given = lambda time: None  # type: ignore[method-assign]
    with (
        Memory.open(None, hashed) as memory,
        watching(source, costly(clock, 2.0, 2.0), memory) as session,
    ):
        assert session.wait(60)
        status = session.status
    assert status.dropped == 0 and status.quality is Quality.FULL
    assert status.offered == 80
