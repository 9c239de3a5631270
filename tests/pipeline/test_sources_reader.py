from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import pytest

from models.media import AudioChunk, Frame, GazeSample, Media
from pipeline.sources.backlog import GAZE_HELD
from pipeline.sources.reader import Playhead, Reader
from pipeline.sources.source import Properties, SourceError


class Scripted:
    """A source that gives a list, and says when it has given it all."""

    def __init__(self, media: list[Media], *, live: bool, error: Exception | None = None) -> None:
        self._media, self._error = media, error
        self.properties = Properties("scripted", None, live, 8, 8, 10.0, True, True)
        self.given = threading.Event()
        self.left = threading.Event()
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.left.set()

    def __iter__(self) -> Iterator[Media]:
        for item in self._media:
            self.count += 1
            yield item
        self.given.set()
        if self._error:
            raise self._error

    def close(self) -> None: ...


def frame(time: float) -> Frame:
    return Frame(time, np.zeros((8, 8, 3), np.uint8))


def sound(time: float) -> AudioChunk:
    return AudioChunk(time, np.zeros(1600, np.float32))


def test_a_file_is_never_dropped_from() -> None:
    source = Scripted([frame(i / 10) for i in range(100)], live=False)
    with Reader(source, capacity=4) as reader:
        assert not source.given.wait(0.2)
        assert source.count <= 5
        assert len(list(reader)) == 100
        assert (reader.read, reader.dropped) == (100, 0)


def test_a_live_source_loses_its_oldest_frames_and_no_sound() -> None:
    media: list[Media] = [m for i in range(20) for m in (frame(i), sound(i))]
    source = Scripted(media, live=True)
    with Reader(source, capacity=24) as reader:
        assert source.given.wait(5)
        got = list(reader)
    assert [m.time for m in got if isinstance(m, AudioChunk)] == list(range(20))
    assert [m.time for m in got if isinstance(m, Frame)] == [16, 17, 18, 19]
    assert reader.dropped == 16


def test_gaze_at_200_samples_a_second_costs_a_live_source_no_frame() -> None:
    gaze: list[Media] = [GazeSample(i / 200, 0.5, 0.5) for i in range(GAZE_HELD + 10)]
    media = sorted([*gaze, *(frame(i) for i in range(8))], key=lambda m: m.time)
    source = Scripted(media, live=True)
    with Reader(source, capacity=8) as reader:
        assert source.given.wait(5)
        got = list(reader)
    assert [m.time for m in got if isinstance(m, Frame)] == list(range(8))
    assert [m for m in got if isinstance(m, GazeSample)] == gaze[10:]
    assert reader.dropped == 10


def test_a_file_with_gaze_waits_for_room_for_either() -> None:
    media = [m for i in range(50) for m in (GazeSample(i, 0.5, 0.5), frame(i))]
    source = Scripted(media, live=False)
    with Reader(source, capacity=1) as reader:
        assert not source.given.wait(0.2)
        assert list(reader) == media
    assert reader.dropped == 0


def test_an_error_comes_after_all_that_was_read() -> None:
    source = Scripted([frame(0), frame(1)], live=False, error=SourceError("it broke"))
    got: list[Media] = []
    with Reader(source) as reader, pytest.raises(SourceError, match="it broke"):
        got.extend(reader)
    # extend keeps what came before the error
    assert reader.read == 2


def test_closing_frees_a_blocked_thread_and_leaves_the_source() -> None:
    source = Scripted([frame(i) for i in range(50)], live=False)
    with Reader(source, capacity=1) as reader:
        assert reader.close()
    assert source.left.is_set()


def test_paced_media_waits_for_the_playhead() -> None:
    playhead = Playhead()
    source = Scripted([frame(1.0), frame(5.0)], live=False)
    with Reader(source, pace=True, playhead=playhead) as reader:
        stream = iter(reader)
        assert not source.given.wait(0.2)
        playhead.position = 2.0
        assert next(stream).time == 1.0
        assert reader.read == 1
        playhead.position = 5.0
        assert next(stream).time == 5.0
        assert reader.lag == 0
