"""StreamGaze's way of showing a gaze: a green dot in a red circle, drawn into the picture."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.scoring.questions import DataError

FIELD = 100 / 640
"""Radius of the field of view, in parts of the picture's width."""

DOT = 8 / 640
"""Radius of the dot, in parts of the picture's width."""


@dataclass(frozen=True, slots=True)
class Fixated:
    """A fixation: stream seconds and a normalised centre."""

    start: float
    end: float
    x: float
    y: float


def read_fixations(path: Path) -> tuple[Fixated, ...]:
    """Fixations of a StreamGaze table, in time order.

    Raises:
        DataError: the file is missing, or lacks a column or a number.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [
                Fixated(
                    float(row["start_time_seconds"]),
                    float(row["end_time_seconds"]),
                    float(row["center_x"]),
                    float(row["center_y"]),
                )
                for row in csv.DictReader(file)
            ]
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not a table of fixations: {error!r}") from error
    return tuple(sorted(rows, key=lambda row: row.start))


def drawn(
    image: NDArray[np.uint8], time: float, fixations: tuple[Fixated, ...]
) -> NDArray[np.uint8]:
    """A copy of an RGB picture with the gaze of its time drawn in, or the picture itself when
    no fixation covers ``time``."""
    for fixation in fixations:
        if fixation.start <= time <= fixation.end:
            height, width = image.shape[:2]
            centre = round(fixation.x * width), round(fixation.y * height)
            marked = image.copy()
            thick = max(1, round(width / 320))
            cv2.circle(marked, centre, round(FIELD * width), (255, 0, 0), thick, cv2.LINE_AA)
            cv2.circle(marked, centre, max(2, round(DOT * width)), (0, 255, 0), -1, cv2.LINE_AA)
            return marked
    return image
