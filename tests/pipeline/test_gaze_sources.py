"""Gaze merged into a source: recorded, over UDP, over Lab Streaming Layer, by the pointer."""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import pytest

from models.gaze.fixations import POINTER, detect
from models.gaze.geometry import FieldOfView
from models.media import AudioChunk, Frame, GazeSample, Media
from pipeline.sources.gaze import GazeError, GazeTrack
from pipeline.sources.gaze.lsl import LslGaze
from pipeline.sources.gaze.merged import LeastDelay, WithGaze
from pipeline.sources.gaze.pointer import PointerGaze
from pipeline.sources.gaze.udp import UdpGaze, parse
from pipeline.sources.source import Properties


class Scripted:
    """Gives media; ``between`` is called before each."""

    def __init__(self, media: list[Media], between: Any = lambda: None) -> None:
        self._media = media
        self._between = between
        self.inside = False
        self.properties = Properties("scripted", None, True, 8, 8, 10.0, True, True)

    def __enter__(self) -> Self:
        self.inside = True
        return self

    def __exit__(self, *_: Any) -> None:
        self.inside = False

    def __iter__(self) -> Iterator[Media]:
        for item in self._media:
            self._between()
            yield item

    def close(self) -> None: ...


def frame(at: float) -> Frame:
    return Frame(at, np.zeros((8, 8, 3), np.uint8))


def track(times: list[float]) -> GazeTrack:
    count = len(times)
    return GazeTrack("g", "plain", np.array(times), np.full((count, 2), 0.5), np.ones(count))


def test_recorded_samples_come_before_what_is_later():
    media = [frame(1.0), AudioChunk(1.02, np.zeros(1600, np.float32)), frame(1.25), frame(1.5)]
    media += [AudioChunk(1.52, np.zeros(1600, np.float32))]
    source = Scripted(media)
    with WithGaze(source, track([0.5, 1.0, 1.1, 1.2, 1.3, 1.6, 1.7])) as merged:
        assert source.inside
        got = list(merged)
    assert not source.inside
    kinds = [(type(m).__name__, m.time) for m in got]
    assert kinds == [
        ("GazeSample", 1.0),
        ("Frame", 1.0),
        ("AudioChunk", 1.02),
        ("GazeSample", 1.1),
        ("GazeSample", 1.2),
        ("Frame", 1.25),
        ("GazeSample", 1.3),
        ("Frame", 1.5),
        ("AudioChunk", 1.52),
        ("GazeSample", 1.6),
    ]


def test_the_least_delayed_pair_tells_the_offset():
    clock = LeastDelay()
    rng = np.random.default_rng(1)
    for i in range(200):
        clock.learn(100 + i * 0.1, 40 + i * 0.1 + 0.02 + rng.exponential(0.05))
    assert clock.theirs(45.0) == pytest.approx(105 - 0.02, abs=0.005)


def test_samples_over_udp_are_placed_by_the_senders_clock():
    """Sent in bursts, 10 ms apart on the sender's clock; frames arrive when they are due."""
    feed = UdpGaze(0, frame_size=(640, 480))
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sent = 0

    def between() -> None:
        nonlocal sent
        lines = []
        for _ in range(5):
            lines.append(json.dumps({"t": 5000 + 0.01 * sent, "x": 320, "y": 120}))
            sent += 1
        before = feed.received
        sender.sendto("\n".join(lines).encode(), ("127.0.0.1", feed.port))
        deadline = time.monotonic() + 5
        while feed.received < before + 5 and time.monotonic() < deadline:
            threading.Event().wait(0.001)

    source = Scripted([frame(i * 0.05) for i in range(10)], between)
    with WithGaze(source, feed) as merged:
        got = [m for m in merged if isinstance(m, GazeSample)]
    sender.close()
    assert len(got) + merged.skipped == 50
    assert len(got) > 25
    assert {(s.x, s.y) for s in got} == {(0.5, 0.25)}
    steps = np.diff([s.time for s in got])
    # Within one burst the sender's clock rules; arrival alone would give steps of zero.
    assert np.median(steps) == pytest.approx(0.01, abs=1e-6)
    assert (steps > 0).all()


class Waiting(Scripted):
    """Gives one picture, and no other until it is closed."""

    def __init__(self) -> None:
        super().__init__([frame(0.0)])
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[Media]:
        yield from super().__iter__()
        assert self.closed.wait(10)

    def close(self) -> None:
        self.closed.set()


def test_a_live_sample_does_not_wait_for_the_next_picture():
    source, feed = Waiting(), UdpGaze(0)
    with WithGaze(source, feed) as merged:
        media = iter(merged)
        assert isinstance(next(media), Frame)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b'{"x": 0.1, "y": 0.2}', ("127.0.0.1", feed.port))
        assert next(media).x == 0.1 and not source.closed.is_set()
    assert source.closed.is_set() and list(media) == []
    assert not [t for t in threading.enumerate() if t.name == "source beside gaze"]


def test_what_breaks_a_source_beside_gaze_is_told_after_what_came_before():
    def fail() -> None:
        if broken:
            raise GazeError("unplugged")
        broken.append(True)

    broken: list[bool] = []
    with WithGaze(Scripted([frame(0.0), frame(1.0)], fail), UdpGaze(0)) as merged:
        media = iter(merged)
        assert next(media).time == 0.0
        with pytest.raises(GazeError, match="unplugged"):
            next(media)


def test_lines_that_are_no_samples_are_counted_and_left_out():
    assert parse(b'{"x": 0.1, "y": 0.2}').x == 0.1
    assert math.isnan(parse(b'{"t": 1, "x": null, "y": 0.2}').x)
    assert [parse(line) for line in (b"no", b"[1]", b'{"t": "noon"}', b"3")] == [None] * 4
    with UdpGaze(0) as feed, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b'hello\n\n{"x": 0.1, "y": 0.2}', ("127.0.0.1", feed.port))
        deadline = time.monotonic() + 5
        while not feed.received and time.monotonic() < deadline:
            threading.Event().wait(0.001)
        assert (feed.refused, feed.received) == (1, 1)
        now = time.monotonic()
        (sample,) = feed.take(lambda moment: moment - now)
        assert -5 < sample.time <= 0
        assert feed.take(lambda moment: moment) == []


def test_a_port_in_use_is_said():
    with UdpGaze(0) as first:
        again = UdpGaze(first.port)
        source = Scripted([])
        with pytest.raises(GazeError, match=str(first.port)):
            WithGaze(source, again).__enter__()
        assert not source.inside


def test_lab_streaming_layer_from_a_real_outlet():
    pylsl = pytest.importorskip("pylsl")
    info = pylsl.StreamInfo("onlooker-test", "Gaze", 3, 100, pylsl.cf_float32, "onlooker-test-1")
    channels = info.desc().append_child("channels")
    for label in ("confidence", "norm_pos_x", "norm_pos_y"):
        channels.append_child("channel").append_child_value("label", label)
    outlet = pylsl.StreamOutlet(info)
    with LslGaze("onlooker-test", flip=True, wait=10) as feed:
        assert outlet.wait_for_consumers(10)
        sent = time.monotonic()
        for i in range(10):
            outlet.push_sample([0.75, 0.25, 0.9], pylsl.local_clock() + 0.01 * i)
        got: list[GazeSample] = []
        deadline = time.monotonic() + 10
        while len(got) < 10 and time.monotonic() < deadline:
            got += feed.take(lambda moment: moment - sent)
            threading.Event().wait(0.01)
    assert len(got) == 10
    assert (got[0].x, round(got[0].y, 3), got[0].confidence) == (0.25, 0.1, 0.75)
    assert got[0].time == pytest.approx(0.0, abs=0.05)
    assert np.allclose(np.diff([s.time for s in got]), 0.01, atol=0.002)


def test_a_stream_that_is_not_there_is_said():
    pytest.importorskip("pylsl")
    with pytest.raises(GazeError, match="nobody-sends-this"):
        LslGaze("nobody-sends-this", wait=0.2).__enter__()


def test_a_resting_pointer_is_a_fixation():
    pointer = PointerGaze()
    for tick in range(10):  # rests, its last place repeated, then moves away and rests again
        pointer.push(10 + tick / 10, 0.3, 0.4)
    for step in range(10):
        pointer.push(11 + step / 50, 0.3 + 0.05 * step, 0.4)
    for tick in range(6):
        pointer.push(11.2 + tick / 10, 0.8, 0.4)
    samples = pointer.take(lambda moment: moment)
    assert np.allclose(np.diff([s.time for s in samples]), 0.02)
    first, second = detect(samples, POINTER, FieldOfView(30, 17))
    assert (round(first.x, 2), round(second.x, 2)) == (0.3, 0.8)
    assert first.start == pytest.approx(10.0) and first.end == pytest.approx(11.0, abs=0.06)


def test_a_pointer_that_left_looks_at_nothing():
    pointer = PointerGaze()
    pointer.push(1.0, 0.3, 0.3)
    pointer.push(1.1, math.nan, math.nan)
    pointer.push(1.2, math.nan, math.nan)
    samples = pointer.take(lambda moment: moment)
    assert [math.isnan(s.x) for s in samples] == [False] * 5 + [True] * 5
    pointer.push(9.0, 0.5, 0.5)  # nothing for long: away meanwhile
    pointer.push(9.1, 0.5, 0.5)
    pointer.push(2.0, 0.1, 0.1)  # wound back: ignored
    later = pointer.take(lambda moment: moment)
    assert math.isnan(later[0].x) and later[1].time == 9.0
    assert all(s.time < 9.1 for s in later)


def test_a_fed_pointer_is_taken_up_across_calls_without_holes():
    pointer = PointerGaze()
    got = []
    for tick in range(20):
        pointer.push(tick * 0.033, 0.5, 0.5)
        got += pointer.take(lambda moment: moment)
    assert np.allclose(np.diff([s.time for s in got]), 0.02)
