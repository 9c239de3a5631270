"""What was missing can be asked about, by the clock on the wall."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from memory.memory import Memory
from memory.segment import Gap, SeenObject
from models.media import Break, Media
from models.vision.objects import Looked
from pipeline.events import Remark
from pipeline.session import Session
from tests.pipeline.fakes import Echo, Eyes, Scripted, engine, frames, hashed, silence

TEN = datetime(2026, 3, 9, 10, 0).timestamp()  # by the clock of this machine


def gaps_told(echo: Echo) -> list[tuple[float, float, str]]:
    """Of the evidence last put before a reasoner."""
    lines = [line for p in echo.asked[-1].passages for line in p.lines if line.kind == "gap"]
    return [(line.start, line.end, line.text) for line in lines]


def live(media: list[Media]) -> Scripted:
    return Scripted(media, live=True)


def test_what_happened_while_the_source_was_down_is_that_it_was_down() -> None:
    echo = Echo()
    away = Break(120.0, 300.0, "the source was away: it ended")
    media = [*frames(120, rate=0.25), away, *frames(240, rate=0.25, start=300)]
    with (
        Memory.open(None, hashed) as memory,
        Session(live(media), engine(echo), memory, wall=lambda: TEN) as session,
    ):
        assert session.wait(30)
        list(session.ask("What happened at 10:03?"))
        assert gaps_told(echo) == [(pytest.approx(120.0), pytest.approx(300.0), away.reason)]
        focus = echo.asked[-1].focus
        assert focus == (pytest.approx(180.0, abs=0.1), pytest.approx(240.0, abs=0.1))
        list(session.ask("What happened at 10:07?"))
        assert gaps_told(echo) == []


def test_a_live_stream_taken_up_again_tells_for_how_long_nobody_watched(tmp_path: Path) -> None:
    path = tmp_path / "door.onlooker"
    with (
        Memory.open(path, hashed) as memory,
        Session(live(frames(30)), engine(), memory, wall=lambda: TEN) as session,
    ):
        assert session.wait(30)
    echo = Echo()
    with (
        Memory.open(path, hashed) as memory,
        Session(live(frames(30)), engine(echo), memory, wall=lambda: TEN + 630) as session,
    ):
        assert session.wait(30)
        kept = memory.segments()
        list(session.ask("What happened at 10:05?"))
        assert memory.wall_clock is not None
        assert memory.wall_clock.wall(kept[-1].end) == pytest.approx(TEN + 660, abs=1)
    (gap,) = [o for s in kept for o in s.observations if isinstance(o, Gap)]
    assert (gap.start, gap.end) == (pytest.approx(29.75, abs=0.01), pytest.approx(630, abs=0.5))
    assert "not running" in gap.reason
    assert [gap.reason] == [text for _, _, text in gaps_told(echo)]
    assert all(a.end == pytest.approx(b.start) for a, b in itertools.pairwise(kept))
    assert len(kept) < 10  # the time away is one segment


def test_after_more_than_a_day_a_live_stream_goes_on_where_it_was_by_its_new_clock(
    tmp_path: Path,
) -> None:
    path = tmp_path / "door.onlooker"
    for began in (TEN, TEN + 5 * 86400.0):
        with (
            Memory.open(path, hashed) as memory,
            Session(live(frames(70)), engine(), memory, wall=lambda now=began: now) as session,
        ):
            assert session.wait(30)
    with Memory.open(path, hashed) as memory:
        assert memory.segments()[-1].end == pytest.approx(139.5, abs=1)
        assert memory.wall_clock is not None and len(memory.wall_clock.anchors) == 2


def test_a_file_knows_no_time_of_day() -> None:
    with (
        Memory.open(None, hashed) as memory,
        Session(Scripted(frames(10)), engine(), memory, wall=lambda: TEN) as session,
    ):
        assert session.wait(30)
        assert memory.wall_clock is None


def test_what_was_missing_bit_by_bit_is_told_as_one() -> None:
    echo = Echo()
    reason = "the source was away: it broke (timeout)"
    tries = [Break(float(t), float(t + 15), reason) for t in range(20, 95, 15)]
    media: list[Media] = [*frames(20), *tries, *frames(30, start=95)]
    with (
        Memory.open(None, hashed) as memory,
        Session(live(media), engine(echo), memory, wall=lambda: TEN) as session,
    ):
        assert session.wait(30)
        list(session.ask("What happened between 10:00 and 10:02?"))
    whole = [told for told in gaps_told(echo) if told[2] == reason and told[1] - told[0] > 70]
    assert whole == [(pytest.approx(20, abs=0.01), pytest.approx(95, abs=0.01), reason)]


def test_what_a_failing_model_missed_is_a_gap_and_the_rest_is_watched_on() -> None:
    class Failing(Eyes):
        """Sees nothing while the picture is of some brightness."""

        def look(self, image: NDArray[np.uint8]) -> Looked:
            if 40 <= image.mean() < 120:
                raise RuntimeError("out of memory")
            return super().look(image)

    whole = engine(echo := Echo())
    failing = replace(whole, senses=replace(whole.senses, seeing=Failing()))
    with (
        Memory.open(None, hashed) as memory,
        Session(Scripted(frames(30, rate=2.0)), failing, memory) as session,
    ):
        assert session.wait(30)
        status = session.status
        list(session.ask("What happened at 0:12?"))
        told = [e.what for e in session.events() if isinstance(e.what, Remark)]
        found = [o for s in memory.segments() for o in s.observations]
    assert status.error is None and status.time == pytest.approx(29.5)
    assert 1 < status.faults["seeing"] < 10
    (gap,) = [o for o in found if isinstance(o, Gap)]
    assert gap.start == 5.0 and 15.0 <= gap.end < 25.0  # it was tried again ever more rarely
    assert "seeing failed (RuntimeError: out of memory)" in gap.reason
    seen = [o.time for o in found if isinstance(o, SeenObject)]
    assert min(seen) == 0.0 and max(seen) >= 28.0
    assert [r.time for r in told if r.kind == "fault"] == [gap.start, gap.end]
    assert (gap.start, gap.end, gap.reason) in gaps_told(echo)


def test_sound_that_stays_away_is_told_while_the_pictures_go_on() -> None:
    media = sorted([*frames(30), *silence(10), *silence(5, start=25)], key=lambda media: media.time)
    with Memory.open(None, hashed) as memory:
        session = Session(Scripted(media), engine(), memory)
        session._lanes[0].watcher.expected = frozenset({"sound", "pictures"})
        with session:
            assert session.wait(30)
            told = [e.what for e in session.events() if isinstance(e.what, Remark)]
            found = [o for s in memory.segments() for o in s.observations]
    (gap,) = [o for o in found if isinstance(o, Gap)]
    assert (gap.start, gap.end) == (pytest.approx(10.0), pytest.approx(25.2))
    assert gap.reason == "no sound came from the source"
    assert ["no sound" in r.text for r in told if r.kind == "fault"] == [True, False]
