"""Gaze shown to a model: in words, drawn into the picture, as a saliency map, as weights.

The first three are the gaze prompts of StreamGaze (arXiv 2512.01707, section 5); weights feed
pooling and foveated tokens (``models/compression/foveated.py``), and scores the choice of segments
and frames, which are ours. They can be combined (:class:`Cues`);
``models/reasoning/multimodal/looks.py`` gives them to a model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from models.gaze.geometry import NEON, FieldOfView

FIELD = 100 / 640
"""Radius of the drawn field of view, in parts of the picture's width, as in StreamGaze."""

DOT = 8 / 640
"""Radius of the drawn dot, in parts of the picture's width."""

DRAWN_MEANS = (
    "The green dot is where the person is looking, the red circle the field of view around it."
)
"""What a model must be told of pictures from :func:`drawn`."""

SALIENCY_MEANS = "The grey picture is a map of where the person looked: the brighter, the longer."
"""What a model must be told of a picture from :func:`saliency_map`."""

SETTLED = 0.3
"""Seconds after which a look counts mostly in full: a usual fixation in scenes lasts that long
(Rayner, 2009, Eye movements and attention in reading, scene perception, and visual search)."""

HALF_ACUITY = 2.3
"""Degrees from the gaze at which the eye sees half as fine as at its centre (E2 of cortical
magnification; Strasburger, Rentschler and Juettner, 2011)."""


MAP_SIDE = 320
"""Most pixels of a side at which a saliency map is computed; it is smooth anyway."""


class Rest(Protocol):
    """A gaze that rested: stream seconds and a normalised centre."""

    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def x(self) -> float: ...
    @property
    def y(self) -> float: ...


def place_in_words(x: float, y: float) -> str:
    """Which ninth of the picture a point lies in: ``"upper left"``, ``"centre"``; or
    ``"outside the picture"``."""
    if not (0 <= x <= 1 and 0 <= y <= 1):
        return "outside the picture"
    across = ("left", "", "right")[min(2, int(3 * x))]
    down = ("upper", "", "lower")[min(2, int(3 * y))]
    return " ".join(part for part in (down, across) if part) or "centre"


def in_words(rest: Rest, what: str = "") -> str:
    """One look as a sentence a model can read, with its place and normalised coordinates.

    Args:
        what: in words, what lies there; empty where that is not known.
    """
    where = f"{place_in_words(rest.x, rest.y)}, at ({rest.x:.2f}, {rest.y:.2f})"
    looked = f"looked at {what} ({where})" if what else f"looked at the {where}"
    if not what and where.startswith("outside"):
        looked = f"looked {where}"
    return f"{looked} for {rest.end - rest.start:.1f} s"


def draw(image: NDArray[np.uint8], x: float, y: float) -> NDArray[np.uint8]:
    """A copy of an RGB picture with a green dot at the gaze in a red circle around it."""
    height, width = image.shape[:2]
    centre = round(x * width), round(y * height)
    marked = image.copy()
    thick = max(1, round(width / 320))
    cv2.circle(marked, centre, round(FIELD * width), (255, 0, 0), thick, cv2.LINE_AA)
    cv2.circle(marked, centre, max(2, round(DOT * width)), (0, 255, 0), -1, cv2.LINE_AA)
    return marked


def resting_at(time: float, rests: Sequence[Rest]) -> Rest | None:
    """The look that covers stream ``time``."""
    return next((rest for rest in rests if rest.start <= time <= rest.end), None)


def drawn(image: NDArray[np.uint8], time: float, rests: Sequence[Rest]) -> NDArray[np.uint8]:
    """A copy of an RGB picture with the gaze of its time drawn in, or the picture itself when
    no fixation covers ``time``."""
    rest = resting_at(time, rests)
    return image if rest is None else draw(image, rest.x, rest.y)


def saliency_map(
    rests: Sequence[Rest], size: tuple[int, int], view: FieldOfView = NEON
) -> NDArray[np.uint8]:
    """How long each part of the picture was looked at, ``uint8`` of shape ``size`` (H, W).

    Each look adds a Gaussian of one degree, the usual stand-in for the fovea and the tracker's
    error together (Le Meur and Baccino, 2013), weighted by its seconds; the brightest is 255.
    """
    height, width = size
    scale = min(1.0, MAP_SIDE / max(size))
    small = max(1, round(height * scale)), max(1, round(width * scale))
    total = np.zeros(small, np.float32)
    for rest in rests:
        away = eccentricity([(rest.x, rest.y)], small, view)
        total += (rest.end - rest.start) * np.exp(-0.5 * away**2)
    if total.max() > 0:
        total *= 255 / total.max()
    return np.asarray(cv2.resize(total, (width, height)), np.uint8)


def eccentricity(
    points: Sequence[tuple[float, float]], size: tuple[int, int], view: FieldOfView = NEON
) -> NDArray[np.float32]:
    """Degrees from the middle of each cell of a grid ``size`` (H, W) to the nearest point.

    Raises:
        ValueError: there is no point.
    """
    if not points:
        raise ValueError("there is no gaze to measure from")
    height, width = size
    x, y = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    nearest = np.full(size, np.inf)
    for gaze_x, gaze_y in points:
        nearest = np.minimum(nearest, view.angles(x[None, :], y[:, None], gaze_x, gaze_y))
    return nearest.astype(np.float32)


def acuity(degrees: NDArray[np.float32]) -> NDArray[np.float32]:
    """How fine the eye sees that far from the gaze, 1 at its centre (see
    :data:`HALF_ACUITY`)."""
    return HALF_ACUITY / (HALF_ACUITY + degrees)


def gaze_near(
    time: float, rests: Sequence[Rest], within: float = 0.5
) -> tuple[tuple[float, float], ...]:
    """Where the gaze rested at most ``within`` seconds from stream ``time``."""
    return tuple(
        (rest.x, rest.y) for rest in rests if rest.start - within <= time <= rest.end + within
    )


def weights(
    rests: Sequence[Rest],
    times: Sequence[float],
    size: tuple[int, int],
    view: FieldOfView = NEON,
    floor: float = 0.05,
) -> NDArray[np.float32]:
    """How much each cell of each frame's grid counts, by acuity around the gaze of its time.

    Args:
        times: stream time of each frame.
        size: (H, W) of the grid.
        floor: the least, and the weight of frames without gaze.

    Returns:
        ``float32 (T, H, W)`` in [floor, 1].
    """
    counted = np.full((len(times), *size), floor, np.float32)
    for frame, time in zip(counted, times, strict=True):
        points = gaze_near(time, rests)
        if points:
            frame[:] = np.maximum(floor, acuity(eccentricity(points, size, view)))
    return counted


def score(rests: Sequence[Rest], start: float, end: float) -> float:
    """How much a stretch of the stream was looked at, in [0, 1]: for choosing segments.

    The share of its time in which the gaze rested, each look counting by how settled it was:
    quick glances say less than long looks (:data:`SETTLED`).
    """
    if not end > start:
        return 0.0
    counted = 0.0
    for rest in rests:
        inside = min(rest.end, end) - max(rest.start, start)
        if inside > 0:
            counted += inside * (1 - math.exp(-(rest.end - rest.start) / SETTLED))
    return min(1.0, counted / (end - start))


def choose_frames(times: Sequence[float], rests: Sequence[Rest], count: int) -> list[int]:
    """Which ``count`` of the frames at ``times`` (rising) to keep, as places in order.

    First those that show what was looked at longest, one for each look, from its middle, where
    eye and head are quietest; then those furthest in time from what is already kept.
    """
    count = min(count, len(times))
    kept: list[int] = []
    for rest in sorted(rests, key=lambda rest: rest.start - rest.end):
        if len(kept) == count:
            break
        middle = (rest.start + rest.end) / 2
        near = min(range(len(times)), key=lambda i: abs(times[i] - middle))
        if near not in kept and rest.start - 0.5 <= times[near] <= rest.end + 0.5:
            kept.append(near)
    while len(kept) < count:
        rest_of_them = [i for i in range(len(times)) if i not in kept]
        kept.append(
            max(
                rest_of_them,
                key=lambda i: min((abs(times[i] - times[k]) for k in kept), default=-times[i]),
            )
        )
    return sorted(kept)


def frame_scores(times: Sequence[float], rests: Sequence[Rest]) -> list[float]:
    """How settled the look is that each of ``times`` falls into, in [0, 1]; 0 where none does."""
    found = [resting_at(time, rests) for time in times]
    return [0.0 if r is None else 1 - math.exp(-(r.end - r.start) / SETTLED) for r in found]


@dataclass(frozen=True, slots=True)
class Cues:
    """Which cues a model is given of the gaze; any combination of them.

    Attributes:
        text: looks in words and coordinates.
        drawn: dot and circle in the pictures.
        saliency: an extra picture, the map of the scanpath.
        foveated: tokens that are dense around the gaze, and means weighted by it.
        choice: segments and frames that were looked at are brought in before others.
    """

    text: bool = False
    drawn: bool = False
    saliency: bool = False
    foveated: bool = False
    choice: bool = False

    @classmethod
    def named(cls, names: str) -> Cues:
        """From names joined by "," or "+": ``"text,drawn"``; ``"none"`` for no cue.

        Raises:
            ValueError: a name is none of these.
        """
        wanted = {name.strip() for name in re.split("[,+]", names)} - {"", "none"}
        unknown = wanted - set(cls.__slots__)
        if unknown:
            raise ValueError(
                f"there is no gaze cue {', '.join(sorted(unknown))!r}: choose from "
                f"{', '.join(cls.__slots__)}, joined by commas, or none"
            )
        return cls(**dict.fromkeys(wanted, True))

    def __str__(self) -> str:
        """The names, joined by commas, or ``none``."""
        return ",".join(name for name in self.__slots__ if getattr(self, name)) or "none"
