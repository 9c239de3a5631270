"""Cheap facts about pictures, by OpenCV and numpy: motion, brightness, colours, what moves.

Faces come from a detector of their own (:mod:`models.vision.faces`).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]

WIDTH = 160  # pixels across the small picture in which facts are found
NOISE = 18  # luma steps by which a pixel must change to have moved
COMMON = 0.12  # share of the picture that makes a colour a dominant one
MOST_COLOURS = 3


@dataclass(frozen=True, slots=True)
class Moving:
    """A compact thing that moves before a still background.

    Attributes:
        colour: its main colour in a word.
        direction: ``"left"``, ``"right"``, ``"up"`` or ``"down"``, as the viewer sees it.
        box: where it is now, in [0, 1].
    """

    colour: str
    direction: str
    box: Box


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about one picture and the change since the one before.

    Attributes:
        motion: share of the picture that changed, in [0, 1]; 0 for the first picture.
        brightness: mean luma, in [0, 1].
        colours: names of the dominant colours, most common first; at most three.
        faces: where faces are, largest first; empty where no face detector is given.
        moving: compact moving things, at most one, seen in two steps in a row.
    """

    motion: float
    brightness: float
    colours: tuple[str, ...]
    faces: tuple[Box, ...] = ()
    moving: tuple[Moving, ...] = ()


class FactFinder:
    """Finds the facts of one stream, picture by picture."""

    def __init__(self) -> None:
        self._before: NDArray[np.uint8] | None = None

    def look(self, image: NDArray[np.uint8]) -> Facts:
        """Facts of an RGB picture ``uint8 (H, W, 3)``."""
        height, width = image.shape[:2]
        size = (WIDTH, max(1, round(height * WIDTH / width)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        luma = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        moved = np.zeros(luma.shape, dtype=np.bool_)
        if self._before is not None and self._before.shape == luma.shape:
            moved = cv2.absdiff(luma, self._before) > NOISE
        self._before = luma
        names = name_colours(small)
        shares = np.bincount(names.ravel(), minlength=len(COLOURS)) / names.size
        order = [int(index) for index in np.argsort(-shares) if shares[index] >= COMMON]
        return Facts(
            motion=float(moved.mean()),
            brightness=float(luma.mean()) / 255.0,
            colours=tuple(COLOURS[index] for index in order[:MOST_COLOURS]),
        )


COLOURS = (
    "black", "grey", "white", "red", "orange", "yellow", "green", "cyan", "blue", "purple",
    "pink", "brown",
)  # fmt: skip


def name_colours(image: NDArray[np.uint8]) -> NDArray[np.intp]:
    """For each pixel of an RGB picture, which of :data:`COLOURS` it is: ``(H, W)``.

    By hue where there is colour enough to see one (as in the HSV model), else by lightness;
    dark orange is brown, and pale red is pink.
    """
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    hue = hsv[..., 0].astype(np.float32) * (360 / 256)
    saturation, value = hsv[..., 1] / 255.0, hsv[..., 2] / 255.0
    # Upper ends of the hues, in degrees: red, orange, yellow, green, cyan, blue, purple, pink.
    ends = np.array([15, 42, 68, 165, 195, 255, 290, 340], dtype=np.float32)
    by_hue = np.array([3, 4, 5, 6, 7, 8, 9, 10, 3])
    named = by_hue[np.searchsorted(ends, hue)]
    warm = (hue < 42) | (hue >= 340)
    named[warm & (value < 0.6) & (hue >= 10) & (hue < 42)] = COLOURS.index("brown")
    named[warm & (saturation < 0.5) & (value > 0.75) & ((hue < 15) | (hue >= 340))] = COLOURS.index(
        "pink"
    )
    plain = (saturation < 0.2) | (saturation * value < 0.12)
    named[plain] = COLOURS.index("grey")
    named[plain & (value > 0.82)] = COLOURS.index("white")
    named[value < 0.2] = COLOURS.index("black")
    return np.asarray(named)
