"""Decoded pictures become RGB once they are looked at, and only then."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from models.media import Frame, gray, moved
from pipeline.sampler import SIZE, Sampler
from pipeline.sources import FileSource
from pipeline.sources import video as module
from pipeline.sources.video import VideoConverter
from tests.pipeline.media import write_clip


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One item for each picture that is made RGB."""
    made: list[int] = []
    rgb: Callable[..., Any] = module._Scaler.rgb

    def counted(self: Any, *given: Any) -> Any:
        made.append(1)
        return rgb(self, *given)

    monkeypatch.setattr(module._Scaler, "rgb", counted)
    return made


def scene(width: int, height: int) -> np.ndarray[Any, Any]:
    """Large and small coloured shapes, with fine texture in a corner."""
    image = np.full((height, width, 3), (40, 90, 160), np.uint8)
    image[: height // 2, : width // 3] = (250, 240, 10)
    image[height // 3 :, width // 2 :] = (200, 30, 60)
    cv2.circle(image, (width // 3, height // 2), height // 4, (255, 255, 255), -1)
    noise = np.random.default_rng(0).integers(80, 176, (height // 4, width // 4, 3))
    image[-(height // 4) :, : width // 4] = noise
    return image


def decoded(pixel_format: str, width: int = 640, height: int = 360, full: bool = False) -> Any:
    picture = av.VideoFrame.from_ndarray(scene(width, height), format="rgb24")
    return picture.reformat(format=pixel_format, dst_color_range="JPEG" if full else None)


@pytest.mark.parametrize(
    ("pixel_format", "width", "height", "full"),
    [
        ("yuv420p", 640, 360, False),
        ("yuv420p", 640, 360, True),
        ("yuv420p", 1920, 1080, False),
        ("yuv420p", 853, 481, False),
        ("yuv420p", 90, 50, False),
        ("yuvj420p", 640, 360, False),
        ("yuv444p", 640, 360, False),
        ("nv12", 640, 360, False),
        ("yuv420p10le", 640, 360, False),
        ("p010le", 640, 360, False),
        ("gray", 640, 360, False),
        ("rgb24", 640, 360, False),
        ("yuyv422", 640, 360, False),
    ],
)
def test_brightness_is_that_of_the_picture_in_rgb(
    pixel_format: str, width: int, height: int, full: bool
) -> None:
    frame = VideoConverter(math.inf, 4096).convert(decoded(pixel_format, width, height, full), 0.0)
    assert frame is not None
    seen, told = frame.gray(*SIZE), gray(frame.image, *SIZE)
    assert seen.shape == told.shape == SIZE[::-1]
    apart = np.abs(seen.astype(int) - told)
    assert apart.mean() < 2 and np.percentile(apart, 99) < 12


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_brightness_is_upright_as_the_picture_is(turns: int) -> None:
    converter = VideoConverter(math.inf, 4096)

    class Turned:
        """A picture of PyAV that says it is to be turned."""

        rotation = 90 * turns

        def __init__(self, picture: Any) -> None:
            self.picture = picture

        def __getattr__(self, name: str) -> Any:
            return getattr(self.picture, name)

    turned = Turned(decoded("yuv420p"))
    converter._scaler.rgb = lambda frame, width, height: scene(width, height)
    frame = converter.convert(turned, 0.0)
    assert frame is not None
    seen = frame.gray(*SIZE).astype(int)
    told = gray(np.rot90(scene(640, 360), turns), *SIZE)
    assert np.abs(seen - told).mean() < 3
    assert frame.image.shape == ((640, 360, 3) if turns % 2 else (360, 640, 3))


def test_only_what_is_looked_at_becomes_rgb(tmp_path: Path, made: list[int]) -> None:
    sampler, looked, seen = Sampler(1.0, 1.0), 0, 0
    with FileSource(write_clip(tmp_path / "clip.mp4"), rate=math.inf) as source:
        for media in source:
            if isinstance(media, Frame):
                seen += 1
                if sampler.offer(media):
                    looked += 1
                    assert media.image.shape == (96, 160, 3)
    assert (seen, looked) == (30, 3)
    assert len(made) == looked + 1  # one tells whether it can be done


def test_rgb_is_made_once_for_all_who_look(made: list[int]) -> None:
    converter = VideoConverter(math.inf, 4096)
    frame = converter.convert(decoded("yuv420p"), 0.0)
    assert isinstance(frame, Frame)
    later, begin = moved(frame, 5.0), threading.Barrier(4)
    images: list[Any] = []

    def look(at: Frame) -> None:
        begin.wait(5.0)
        images.append(at.image)

    threads = [threading.Thread(target=look, args=(at,)) for at in (frame, later, frame, later)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5.0)
    assert len(made) == 2
    assert len(images) == 4 and all(image is images[0] for image in images)


def test_a_picture_much_larger_than_its_rgb_does_not_wait(made: list[int]) -> None:
    whole, small = VideoConverter(math.inf, 4096), VideoConverter(math.inf, 320)
    for time in range(3):
        whole.convert(decoded("yuv420p", 1280, 720), float(time))
    assert len(made) == 1
    for time in range(3):
        small.convert(decoded("yuv420p", 1280, 720), float(time))
    assert len(made) == 4


def test_what_cannot_become_rgb_is_told_by_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise ValueError("no way from there")

    converter = VideoConverter(math.inf, 4096)
    monkeypatch.setattr(module._Scaler, "rgb", fails)
    with pytest.raises(ValueError, match="no way"):
        converter.convert(decoded("yuv420p"), 0.0)


def test_pictures_outlive_their_source(tmp_path: Path) -> None:
    with FileSource(write_clip(tmp_path / "clip.mp4", tone=None), rate=math.inf) as source:
        frames = [media for media in source if isinstance(media, Frame)]
    for number, frame in enumerate(frames):
        assert abs(frame.image.mean() - (20 + 200 * number / 30)) < 6


def test_a_file_is_opened_once_and_begins_with_its_first_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_clip(tmp_path / "clip.mp4")
    opened: list[str] = []
    opens = av.open

    def counted(*given: Any, **how: Any) -> Any:
        opened.append(given[0])
        return opens(*given, **how)

    monkeypatch.setattr(av, "open", counted)
    with FileSource(path, rate=math.inf) as source:
        assert (source.properties.width, source.properties.height) == (160, 96)
        times = [media.time for media in source if isinstance(media, Frame)]
    assert times == pytest.approx([number / 10 for number in range(30)], abs=0.001)
    assert opened == [str(path)]


def test_pixels_that_are_not_square_become_so(tmp_path: Path) -> None:
    path = tmp_path / "wide.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 144, 96, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for number in range(5):
            frame = av.VideoFrame.from_ndarray(scene(144, 96), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with FileSource(path) as source:
        assert (source.properties.width, source.properties.height) == (192, 96)
        (frame, *_) = (media for media in source if isinstance(media, Frame))
    assert frame.image.shape == (96, 192, 3)
