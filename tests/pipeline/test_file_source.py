from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from models.media import SAMPLE_RATE, AudioChunk, Frame, Media
from pipeline.sources import FileSource, Properties, SourceError, open_source
from tests.pipeline.media import write_clip


def read(path: Path, **options: float) -> tuple[Properties, list[Media], SourceError | None]:
    media: list[Media] = []
    error = None
    with FileSource(path, **options) as source:  # type: ignore[arg-type]
        try:
            media.extend(source)
        except SourceError as raised:
            error = raised
        return source.properties, media, error


def frames(media: list[Media]) -> list[Frame]:
    return [m for m in media if isinstance(m, Frame)]


def chunks(media: list[Media]) -> list[AudioChunk]:
    return [m for m in media if isinstance(m, AudioChunk)]


def test_picture_and_sound_come_merged_on_one_clock(tmp_path: Path) -> None:
    _, media, error = read(write_clip(tmp_path / "a.mp4"))
    times = [m.time for m in media]
    assert error is None
    assert times == sorted(times)
    assert frames(media) and chunks(media)


def test_sound_is_whole_and_keeps_its_pitch(tmp_path: Path) -> None:
    _, media, _ = read(write_clip(tmp_path / "a.mp4", tone=1000.0))
    sound = np.concatenate([c.samples for c in chunks(media)])
    assert sound.dtype == np.float32
    assert len(sound) / SAMPLE_RATE == pytest.approx(3.0, abs=0.1)
    middle = sound[SAMPLE_RATE : 2 * SAMPLE_RATE]
    assert np.abs(np.fft.rfft(middle)).argmax() == pytest.approx(1000, abs=2)
    assert all(0 < len(c.samples) <= 0.5 * SAMPLE_RATE for c in chunks(media))


def test_a_gap_in_the_sound_stays_a_gap(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", audio_starts=(0.0, 2.0), audio_seconds=1.0)
    _, media, _ = read(clip)
    sound = chunks(media)
    gaps = [(a.end, b.time) for a, b in itertools.pairwise(sound) if b.time > a.end + 0.1]
    assert len(gaps) == 1
    assert gaps[0] == pytest.approx((1.0, 2.0), abs=0.06)
    assert all(b.time >= a.end - 1e-6 for a, b in itertools.pairwise(sound))


@pytest.mark.parametrize(("rate", "expected"), [(1.0, 3), (4.0, 12), (math.inf, 30)])
def test_no_more_frames_than_the_rate(tmp_path: Path, rate: float, expected: int) -> None:
    _, media, _ = read(write_clip(tmp_path / "a.mp4"), rate=rate)
    assert len(frames(media)) == expected


def test_start_keeps_the_times_of_the_file(tmp_path: Path) -> None:
    _, media, _ = read(write_clip(tmp_path / "a.mp4"), start=2.0)
    assert min(m.time for m in media) == pytest.approx(2.0, abs=0.1)
    assert max(m.time for m in media) > 2.7


def test_large_pictures_are_scaled_down(tmp_path: Path) -> None:
    _, media, _ = read(write_clip(tmp_path / "a.mp4", size=(640, 360), seconds=1), longest_side=320)
    assert frames(media)[0].image.shape == (180, 320, 3)


def test_the_largest_of_several_video_streams_is_taken_and_said(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", streams=((64, 48), (320, 240)), seconds=1)
    properties, media, _ = read(clip)
    assert (properties.width, properties.height) == (320, 240)
    assert frames(media)[0].image.shape == (240, 320, 3)
    assert "took the largest (320x240)" in properties.remarks[0]


def test_sound_alone_and_picture_alone_are_sources(tmp_path: Path) -> None:
    properties, media, _ = read(write_clip(tmp_path / "a.m4a", size=(0, 0)))
    assert properties.has_audio and not properties.has_video and not frames(media)
    properties, media, _ = read(write_clip(tmp_path / "v.mp4", tone=None))
    assert properties.has_video and not properties.has_audio and not chunks(media)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.mp4", None, "does not exist"),
        ("empty.mp4", b"", "empty"),
        ("words.mp4", b"only words\n" * 100, "not a video or sound file"),
        ("words.txt", b"only words\n" * 100, "not a video or sound file"),
    ],
)
def test_what_is_no_media_is_said_in_words(
    tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=says) as raised, FileSource(path):
        pass
    assert str(path) in str(raised.value)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="folder"), FileSource(tmp_path):
        pass


def test_a_file_cut_off_gives_what_is_good_then_says_when(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.mkv", seconds=6, tone=None).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) // 2])
    _, media, error = read(cut)
    assert frames(media)
    assert error is not None
    assert "s" in str(error) and str(cut) in str(error)
    assert frames(media)[-1].time < 5


def test_closing_ends_the_iteration(tmp_path: Path) -> None:
    with FileSource(write_clip(tmp_path / "a.mp4")) as source:
        stream = iter(source)
        next(stream)
        source.close()
        assert list(stream) == []


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(SourceError, match="no source"):
        open_source("  ")


def test_real_rotation_is_applied(clips: Path) -> None:
    properties, media, _ = read(clips / "video_90.mov")
    assert (properties.width, properties.height) == (320, 568)
    assert frames(media)[0].image.shape == (568, 320, 3)


def test_real_unordered_frames_come_in_order(clips: Path) -> None:
    _, media, error = read(clips / "unordered.mov", rate=math.inf)
    times = [m.time for m in media]
    assert error is None and len(times) == 4
    assert all(a < b for a, b in itertools.pairwise(times))


def test_real_damage_in_the_middle_is_passed_over_and_counted(clips: Path) -> None:
    properties, media, error = read(clips / "corrupted.mp4")
    assert error is None
    assert "1 damaged packet left out" in properties.remarks
    assert frames(media)[-1].time > 4


def test_real_sound_file_is_whole(clips: Path) -> None:
    _, media, _ = read(clips / "jfk.flac")
    assert sum(len(c.samples) for c in chunks(media)) == 11 * SAMPLE_RATE
