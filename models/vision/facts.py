"""Cheap facts about pictures, by OpenCV and numpy: motion, brightness, colours, what moves.

Faces come from a detector of their own (:mod:`models.vision.faces`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]

WIDTH = 160  # pixels across the small picture in which facts are found
TALLEST = 4  # most times its width that this is high: a damaged picture may be a line
NOISE = 20  # steps of 255 by which red, green or blue must change for a pixel to have moved
COMMON = 0.12  # share of the picture that makes a colour a dominant one
MOST_COLOURS = 3
CALM = 0.15  # share of the picture above which no single thing can be said to move
LEAST_AREA = 20  # pixels of a moving thing
LEAST_STEP = 0.015  # of the width


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
        moving: compact moving things, at most one, seen in two steps in a row.
    """

    motion: float
    brightness: float
    colours: tuple[str, ...]
    moving: tuple[Moving, ...] = ()


class FactFinder:
    """Finds the facts of one stream, picture by picture."""

    def __init__(self) -> None:
        self._past: deque[_Small] = deque(maxlen=2)

    def look(self, image: NDArray[np.uint8]) -> Facts:
        """Facts of an RGB picture ``uint8 (H, W, 3)``."""
        now = _shrink(image)
        if self._past and self._past[-1].luma.shape != now.luma.shape:
            self._past.clear()
        moved = _changed(self._past[-1], now) if self._past else np.zeros_like(now.luma)
        motion = float((moved > 0).mean())
        moving = None
        if len(self._past) == 2 and motion < CALM:
            moving = _mover(self._past[0], self._past[1], now)
        self._past.append(now)
        shares = np.bincount(now.names.ravel(), minlength=len(COLOURS)) / now.names.size
        order = [int(index) for index in np.argsort(-shares) if shares[index] >= COMMON]
        return Facts(
            motion=motion,
            brightness=float(now.luma.mean()) / 255.0,
            colours=tuple(COLOURS[index] for index in order[:MOST_COLOURS]),
            moving=(moving,) if moving else (),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Small:
    pixels: NDArray[np.uint8]
    luma: NDArray[np.uint8]
    names: NDArray[np.intp]


def _shrink(image: NDArray[np.uint8]) -> _Small:
    height, width = image.shape[:2]
    size = (WIDTH, min(TALLEST * WIDTH, max(1, round(height * WIDTH / width))))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    luma = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    return _Small(small, luma, name_colours(small))


def _changed(a: _Small, b: _Small) -> NDArray[np.uint8]:
    return np.asarray(cv2.absdiff(a.pixels, b.pixels).max(axis=2) > NOISE, dtype=np.uint8)


def _mover(first: _Small, second: _Small, third: _Small) -> Moving | None:
    """The one compact thing that moved through three pictures, if there is one.

    Where the third picture differs from both others, it is now; where the second differs from
    both others, it was (differencing three frames, Collins et al., 2000).
    """
    step = _changed(second, third)
    was = _blob(step & _changed(first, second))
    now = _blob(step & _changed(first, third))
    if was is None or now is None:
        return None
    if not 0.4 < np.count_nonzero(was) / np.count_nonzero(now) < 2.5:
        return None
    colour = _main_colour(third.names[now])
    if colour is None or colour != _main_colour(second.names[was]):
        return None
    height, width = now.shape
    rows, columns = np.nonzero(now)
    old_rows, old_columns = np.nonzero(was)
    across = float(columns.mean() - old_columns.mean()) / width
    down = float(rows.mean() - old_rows.mean()) / width
    if max(abs(across), abs(down)) < LEAST_STEP:
        return None
    if abs(across) >= abs(down):
        direction = "right" if across > 0 else "left"
    else:
        direction = "down" if down > 0 else "up"
    box = (
        float(columns.min() / width),
        float(rows.min() / height),
        float((columns.max() + 1) / width),
        float((rows.max() + 1) / height),
    )
    return Moving(COLOURS[colour], direction, box)


def _blob(mask: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """The largest connected part, where it is nearly all there is and compact."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count < 2:
        return None
    areas = stats[1:, cv2.CC_STAT_AREA]
    largest = int(areas.argmax()) + 1
    area = float(areas.max())
    filled = area / float(stats[largest, cv2.CC_STAT_WIDTH] * stats[largest, cv2.CC_STAT_HEIGHT])
    if area < LEAST_AREA or area < 0.7 * float(areas.sum()) or filled < 0.4:
        return None
    return np.asarray(parts == largest)


def _main_colour(names: NDArray[np.intp]) -> int | None:
    shares = np.bincount(names, minlength=len(COLOURS)) / len(names)
    best = int(shares.argmax())
    return best if shares[best] >= 0.5 else None


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
    ends = np.array([15, 42, 68, 165, 195, 255, 312, 340], dtype=np.float32)
    by_hue = np.array([3, 4, 5, 6, 7, 8, 9, 10, 3])
    named = by_hue[np.searchsorted(ends, hue)]
    warm = (hue < 42) | (hue >= 340)
    named[(value < 0.72) & (hue >= 5) & (hue < 42)] = COLOURS.index("brown")
    named[warm & (saturation < 0.5) & (value > 0.75) & ((hue < 15) | (hue >= 340))] = COLOURS.index(
        "pink"
    )
    plain = (saturation < 0.2) | (saturation * value < 0.12)
    named[plain] = COLOURS.index("grey")
    named[plain & (value > 0.82)] = COLOURS.index("white")
    named[value < 0.2] = COLOURS.index("black")
    return np.asarray(named)
