"""Gaze from the user's own webcam: calibrated once on nine points, then followed live."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.gaze.webcam import POINTS, Calibration, EyeFinder, Finder, WebcamGaze
from models.media import Frame, GazeSample, Media
from models.vision.objects import VisionError
from pipeline.sources import open_source
from pipeline.sources.gaze.merged import Clock
from pipeline.sources.gaze.track import GazeError
from pipeline.sources.passing import Passing
from pipeline.sources.reader import Reader
from pipeline.sources.source import Properties, Source

RATE = 10.0
"""Pictures a second that are looked at, at most."""

LOOKS = 12
"""Pictures of each point of a calibration."""

TRIES = 5 * LOOKS
"""Pictures after which a point is given up because no face is found."""

SETTLING = 3
"""Pictures of each point that are let go first: the eyes are still on their way."""

HELD = 256


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration and how good it is: ``error`` is the median distance from the points
    looked at, each left out of the fit once, in parts of the screen."""

    calibration: Calibration
    error: float


def open_camera(device: str) -> Source:
    """The camera of a number or a name, not yet entered."""
    return open_source(f"camera:{device}" if device.isdigit() else device, rate=RATE)


def eye_finder() -> EyeFinder:
    """Raises GazeError where the face landmarks are missing."""
    try:
        return EyeFinder()
    except VisionError as error:
        raise GazeError(str(error)) from error


def open_webcam(device: str, calibration: Path | None) -> WebcamFeed:
    """Gaze from a camera, not yet entered.

    Raises:
        GazeError: there is no calibration, or no model for the face.
    """
    if calibration is None or not calibration.is_file():
        raise GazeError(
            "gaze from a webcam has to be calibrated first, for this person and this place: run "
            "'python launch.py calibrate'"
        )
    fitted = read_calibration(calibration).calibration
    return WebcamFeed(open_camera(device), WebcamGaze(eye_finder(), fitted))


def calibrate(
    camera: Source,
    eyes: Finder,
    ready: Callable[[float, float], None],
    looks: int = LOOKS,
) -> Calibrated:
    """Calibrate on nine points of the screen.

    Args:
        camera: not yet entered; its pictures are taken only while a point is looked at.
        ready: told the next point (normalised); returns when the person looks at it.

    Raises:
        GazeError: no face is found, or the camera ends.
        SourceError: the camera cannot be opened.
    """
    calibration = Calibration()
    with Reader(_Stamped(camera), capacity=1) as reader:
        pictures = (media for media in reader if isinstance(media, Frame))
        for x, y in POINTS:
            ready(x, y)
            for features in _looks(pictures, eyes, looks, time.monotonic()):
                calibration.add(features, x, y)
    return Calibrated(calibration, calibration.fit())


def _looks(
    pictures: Iterator[Frame], eyes: Finder, looks: int, since: float
) -> list[NDArray[np.float64]]:
    found: list[NDArray[np.float64]] = []
    passed = 0
    for picture in pictures:
        if picture.time < since:
            continue
        passed += 1
        seen = eyes.find(picture.image) if passed > SETTLING else None
        if seen is not None:
            height, width = picture.image.shape[:2]
            found.append(seen.features((width, height)))
        if len(found) == looks:
            return found
        if passed == TRIES:
            raise GazeError(
                f"a face was found in only {len(found)} of {passed} pictures: sit in front of the "
                "camera, in good light, and calibrate again"
            )
    raise GazeError("the camera ended before the calibration did")


def write_calibration(path: Path, fitted: Calibrated) -> None:
    """Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {"error": fitted.error, **fitted.calibration.samples()}
    path.write_text(json.dumps(told), encoding="utf-8")


def read_calibration(path: Path) -> Calibrated:
    """What :func:`write_calibration` wrote.

    Raises:
        GazeError: it cannot be read.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        calibration = Calibration()
        for features, (x, y) in zip(told["features"], told["targets"], strict=True):
            calibration.add(np.array(features, np.float64), x, y)
        return Calibrated(calibration, calibration.fit())
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise GazeError(f"{path} is no calibration: {error}; calibrate again") from error


class _Stamped(Passing):
    """A camera whose pictures bear the seconds of ``time.monotonic()`` at which they came."""

    @property
    def properties(self) -> Properties:
        return replace(self._source.properties, live=True)

    def __iter__(self) -> Iterator[Media]:
        for media in self._source:
            if isinstance(media, Frame):
                yield Frame(time.monotonic(), media.image)


class WebcamFeed:
    """Follows a camera, as often as its pictures can be looked at; see
    :class:`pipeline.sources.gaze.merged.Feed`.

    Args:
        camera: not yet entered; the feed enters and leaves it.
        gaze: calibrated.
    """

    def __init__(self, camera: Source, gaze: WebcamGaze) -> None:
        self._reader = Reader(_Stamped(camera), capacity=1)
        self._gaze = gaze
        self._samples: deque[GazeSample] = deque(maxlen=HELD)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="webcam gaze", daemon=True)

    def __enter__(self) -> Self:
        self._reader.__enter__()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._reader.close()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def take(self, place: Clock) -> list[GazeSample]:
        """See :meth:`Feed.take`.

        Raises:
            Exception: what broke the camera.
        """
        if self._error is not None:
            raise self._error
        found = []
        while self._samples:
            sample = self._samples.popleft()
            found.append(replace(sample, time=place(sample.time)))
        return found

    def _run(self) -> None:
        try:
            for media in self._reader:
                if isinstance(media, Frame):
                    self._samples.append(self._gaze.sample(media.time, media.image))
        except Exception as error:  # for whoever takes the samples
            self._error = error
