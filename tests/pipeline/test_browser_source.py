"""What a browser captures becomes one stream on the clock of its capture."""

from __future__ import annotations

import io
import itertools
import threading

import numpy as np
import pytest
from PIL import Image

from models.media import AudioChunk, Break, Frame
from pipeline.sources.browser import LARGEST, BrowserSource
from pipeline.sources.reader import Reader
from pipeline.sources.source import SourceError


def jpeg(width: int = 64, height: int = 48, shade: int = 100) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height), (shade, 20, 30)).save(data, "JPEG")
    return data.getvalue()


def tone(seconds: float, rate: int = 48_000) -> np.ndarray:
    return (np.sin(np.arange(round(seconds * rate)) / 20) * 8000).astype(np.int16)


def all_of(source: BrowserSource) -> list[Frame | AudioChunk]:
    source.end()
    return list(source)


def test_pictures_and_sound_come_out_in_the_order_of_their_capture():
    source = BrowserSource()
    source.take_picture(0.9, jpeg())  # overtook the sound that was captured before it
    for k in range(10):
        source.take_sound(0.1 * k, tone(0.1), 48_000)
    source.take_picture(1.2, jpeg())
    given = all_of(source)
    assert [m.time for m in given] == sorted(m.time for m in given)
    assert [m.time for m in given if isinstance(m, Frame)] == [0.9, 1.2]
    sound = [m for m in given if isinstance(m, AudioChunk)]
    assert sum(len(chunk.samples) for chunk in sound) == pytest.approx(16_000, abs=40)
    assert sound[0].time == pytest.approx(0.0, abs=1e-6)


def test_sound_that_jitters_in_its_stamps_stays_whole():
    source = BrowserSource()
    for k in range(50):
        source.take_sound(0.1 * k + 0.02 * (k % 2), tone(0.1), 48_000)
    sound = [m for m in all_of(source) if isinstance(m, AudioChunk)]
    assert all(abs(b.time - a.end) < 1e-6 for a, b in itertools.pairwise(sound))
    assert sound[-1].end == pytest.approx(5.0, abs=0.01)


def test_after_a_dropped_connection_the_gap_stays_a_gap_and_nothing_comes_twice():
    source = BrowserSource()
    source.take_sound(0.0, tone(1.0), 48_000)
    source.take_sound(0.5, tone(0.5), 48_000)  # sent again
    source.take_sound(4.0, tone(1.0), 48_000)
    sound = [m for m in all_of(source) if isinstance(m, AudioChunk)]
    heard = sum(len(chunk.samples) for chunk in sound)
    assert heard == pytest.approx(32_000, abs=80)
    assert any(b.time - a.end == pytest.approx(3.0, abs=0.01) for a, b in itertools.pairwise(sound))


def test_a_camera_that_was_away_leaves_a_break_and_a_covered_one_does_not():
    source = BrowserSource()
    source.take_sound(0.0, tone(1.0), 48_000)
    source.take_picture(9.0, jpeg())
    for k in range(6):
        source.take_sound(9.0 + k, tone(1.0), 48_000)
    (away,) = [m for m in all_of(source) if isinstance(m, Break)]
    assert (away.time, away.end) == (pytest.approx(1.0, abs=0.01), 9.0)

    resumed = BrowserSource(start=20.0)
    resumed.take_picture(26.0, jpeg())
    first = all_of(resumed)[0]
    assert isinstance(first, Break)
    assert (first.time, first.end) == (20.0, 26.0)


def test_pictures_do_not_wait_for_a_silent_microphone_nor_sound_for_a_covered_camera():
    pictures = BrowserSource()
    for k in range(8):
        pictures.take_picture(0.25 * k + 0.1, jpeg())
    first = next(iter(pictures))
    assert isinstance(first, Frame)

    sound = BrowserSource()
    for k in range(10):
        sound.take_sound(0.1 * k, tone(0.1), 48_000)
    assert isinstance(next(iter(sound)), AudioChunk)


def test_a_picture_is_upright_rgb_within_the_size_asked_for():
    source = BrowserSource(longest_side=100)
    source.take_picture(0.5, jpeg(400, 200, shade=200))
    (frame,) = all_of(source)
    assert isinstance(frame, Frame)
    assert frame.image.shape == (50, 100, 3)
    assert frame.image[0, 0, 0] > 150 > frame.image[0, 0, 2]
    assert source.properties.width == 100


def test_what_is_not_media_is_refused_and_the_stream_goes_on():
    source = BrowserSource()
    with pytest.raises(SourceError, match="not one"):
        source.take_picture(0.1, b"<svg/>")
    with pytest.raises(SourceError, match="too large"):
        source.take_picture(0.1, jpeg(LARGEST + 1, 8))
    with pytest.raises(SourceError, match="samples a second"):
        source.take_sound(0.1, tone(0.1), 3)
    for time in (float("nan"), -1.0, 1e9):
        with pytest.raises(SourceError, match="impossible"):
            source.take_picture(time, jpeg())
    source.take_picture(0.2, jpeg())
    assert len(all_of(source)) == 1


def test_a_resumed_capture_begins_where_the_session_ended():
    source = BrowserSource(start=90.0)
    assert source.now >= 90.0
    source.take_picture(90.5, jpeg())
    source.take_picture(89.0, jpeg())  # captured before: already seen
    assert [m.time for m in all_of(source)] == [90.5]
    assert source.dropped == 1


def test_a_flood_drops_pictures_before_sound_and_counts_them():
    source = BrowserSource()
    for k in range(300):
        source.take_picture(0.01 * k + 0.001, jpeg(8, 8))
    for k in range(20):
        source.take_sound(0.1 * k, tone(0.1), 48_000)
    given = all_of(source)
    assert source.dropped > 0
    assert sum(isinstance(m, AudioChunk) for m in given) == 10


def test_what_comes_after_the_end_is_left_out():
    source = BrowserSource()
    source.take_sound(0.0, tone(0.2), 48_000)
    source.end()
    source.take_sound(0.2, tone(0.2), 48_000)
    source.take_picture(0.3, jpeg())
    (chunk,) = list(source)
    assert chunk.end <= 0.2 + 1e-3


def test_closing_from_another_thread_ends_the_iteration():
    source = BrowserSource()
    reader = Reader(source)
    with reader:
        threading.Timer(0.05, source.close).start()
        assert list(reader) == []
