"""StreamGaze's way of showing a gaze: a green dot in a red circle, drawn into the picture."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from app.scoring.questions import DataError
from models.gaze.cues import drawn

__all__ = ["Fixated", "drawn", "read_fixations"]


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
