"""Where few frames are wanted, few are decoded; what is given is true to its time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from models.media import AudioChunk, Frame, Media
from pipeline.sources import FileSource, SourceError, open_source
from pipeline.sources.thinning import Thinning

SECONDS, FPS = 6, 10


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """By the frames from one key frame to the next: a clip that grows brighter, with sound."""
    folder = tmp_path_factory.mktemp("clips")
    made = {}
    for group in (1, FPS, 25, 1000):
        made[group] = folder / f"{group}.mp4"
        with av.open(str(made[group]), "w") as container:
            video = container.add_stream("libx264", rate=FPS, options={"sc_threshold": "0"})
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            video.gop_size, video.codec_context.max_b_frames = group, 2
            audio = container.add_stream("aac", rate=16000, layout="mono")
            for i in range(SECONDS * FPS):
                picture = np.full((48, 64, 3), 20 + 3 * i, np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = i, Fraction(1, FPS)
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
            for block in range(SECONDS * 16000 // 1024):
                sound = av.AudioFrame.from_ndarray(
                    np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
                )
                sound.sample_rate, sound.pts = 16000, 1024 * block
                sound.time_base = Fraction(1, 16000)
                container.mux(audio.encode(sound))
            container.mux(audio.encode(None))
    return made


def read(path: Path, rate: float) -> list[Media]:
    with FileSource(path, rate=rate) as source:
        return list(source)


def frames(media: list[Media]) -> list[Frame]:
    return [item for item in media if isinstance(item, Frame)]


@pytest.mark.parametrize(
    ("group", "rate", "alone"),
    [(FPS, 1.0, True), (1, 1.0, True), (1, 4.0, True), (FPS, 4.0, False), (1000, 1.0, False)],
)
def test_key_frames_alone_are_decoded_where_they_are_close_enough(
    clips: dict[int, Path], group: int, rate: float, alone: bool
) -> None:
    with av.open(str(clips[group])) as container:
        stream = container.streams.video[0]
        thinning = Thinning(stream, rate, 0.0)
        assert thinning.key_frames == alone
        packets = [p for p in container.demux(stream) if p.size]
        wanted = [p for p in packets if thinning.wants(p)]
    assert len(wanted) == (SECONDS * rate if alone else len(packets))


@pytest.mark.parametrize("group", [1, FPS, 1000])
@pytest.mark.parametrize("rate", [1.0, 2.0])
def test_one_frame_comes_for_each_stretch_and_shows_its_own_moment(
    clips: dict[int, Path], group: int, rate: float
) -> None:
    given = frames(read(clips[group], rate))
    assert [int(frame.time * rate + 0.01) for frame in given] == list(range(int(SECONDS * rate)))
    for frame in given:
        assert abs(frame.image.mean() - (20 + 3 * FPS * frame.time)) < 6


def test_sound_and_pictures_stay_in_order(clips: dict[int, Path]) -> None:
    media = read(clips[FPS], 1.0)
    times = [item.time for item in media]
    assert times == sorted(times)
    heard = sum(len(item.samples) for item in media if isinstance(item, AudioChunk))
    assert heard == pytest.approx(SECONDS * 16000, rel=0.05)


def test_from_the_middle_on(clips: dict[int, Path]) -> None:
    with FileSource(clips[FPS], rate=1.0, start=2.5) as source:
        times = [frame.time for frame in frames(list(source))]
    assert times == [3.0, 4.0, 5.0]


def test_skimmed_only_key_frames_are_given_in_order_with_all_the_sound(
    clips: dict[int, Path],
) -> None:
    with FileSource(clips[25], rate=1.0, skim=True) as source:
        media = list(source)
        (remark,) = source.properties.remarks
    assert "at most 1 a second; they are up to 2.5 s apart" in remark
    assert [frame.time for frame in frames(media)] == [0.0, 2.5, 5.0]
    for frame in frames(media):
        assert abs(frame.image.mean() - (20 + 3 * FPS * frame.time)) < 6
    times = [item.time for item in media]
    assert times == sorted(times)
    heard = sum(len(item.samples) for item in media if isinstance(item, AudioChunk))
    assert heard == pytest.approx(SECONDS * 16000, rel=0.05)


def test_a_skimmed_file_with_one_key_frame_is_not_taken_for_cut_off(clips: dict[int, Path]) -> None:
    with FileSource(clips[1000], skim=True) as source:
        assert [frame.time for frame in frames(list(source))] == [0.0]


def test_skimmed_no_more_than_a_picture_a_second_is_looked_at(clips: dict[int, Path]) -> None:
    with open_source(str(clips[1]), skim=True) as source:
        assert [frame.time for frame in frames(list(source))] == list(range(SECONDS))


def test_a_skimmed_folder_says_so(clips: dict[int, Path]) -> None:
    with open_source(str(clips[1].parent), skim=True) as source:
        assert source.properties.remarks == ("only key frames are looked at",)
        assert len(frames(list(source))) == SECONDS + SECONDS + 3 + 1


@pytest.mark.parametrize("spec", ["-", "rtsp://user:secret@camera/1", "camera:0"])
def test_only_files_are_skimmed(spec: str) -> None:
    with pytest.raises(SourceError, match="only files") as told:
        open_source(spec, skim=True)
    assert "secret" not in str(told.value)
