"""StreamGaze's way of showing a gaze: a green dot in a red circle, drawn into the picture."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from app.scoring.questions import DataError
from models.gaze.cues import drawn

__all__ = ["Fixated", "drawn", "read_fixations"]


_COLUMNS = ("start_time_seconds", "end_time_seconds", "center_x", "center_y")


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
    rows = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file)
            lacking = [name for name in _COLUMNS if name not in (table.fieldnames or _COLUMNS)]
            if lacking:
                raise DataError(f"{path} is not a table of fixations: it lacks {lacking[0]!r}")
            for row in table:
                cells = [row[name] for name in _COLUMNS]
                numbers = [float(cell) if cell else math.nan for cell in cells]
                if not all(map(math.isfinite, numbers)):
                    raise ValueError
                rows.append(Fixated(*numbers))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a table of fixations: it is no UTF-8 text") from error
    except (csv.Error, ValueError) as error:
        line = table.line_num
        raise DataError(
            f"{path}, line {line}: {', '.join(_COLUMNS)} are to be finite numbers"
        ) from error
    return tuple(sorted(rows, key=lambda row: row.start))
