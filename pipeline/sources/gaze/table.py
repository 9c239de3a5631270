"""Tables of text: CSV and TSV as trackers export them, with errors that name line and column."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.sources.gaze.track import GazeError

MISSING = frozenset({"", "-", "nan", "na", "n/a", "none", "null"})


def plain(name: str) -> str:
    """A column's name as it is compared: lower case, letters and digits, its unit left out."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"[\[(].*?[\])]", "", name.lower()))


def unit(name: str) -> str:
    """The unit in a column's name, in lower case: ``"px"`` of ``"gaze x [px]"``; or empty."""
    found = re.search(r"[\[(](.*?)[\])]", name)
    return found[1].strip().lower().replace("µ", "u").replace("μ", "u") if found else ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under named columns.

    Attributes:
        path: of the file, for errors.
        names: of the columns, as written; empty where the file has no header.
        rows: cells as text, all as wide as the widest.
        lines: the line of each row, from 1.
    """

    path: Path
    names: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]

    def find(self, *wanted: str) -> int | None:
        """Place of the first column that has one of the names (see :func:`plain`)."""
        names = [plain(name) for name in self.names]
        return next((names.index(w) for w in wanted if w in names), None)

    def place(self, what: str, *wanted: str) -> int:
        """The same, or an error that says which columns there are."""
        found = self.find(*wanted)
        if found is None:
            there = ", ".join(repr(name) for name in self.names) or "none"
            raise GazeError(f"{self.path} has no column for the {what}; its columns are {there}")
        return found

    def text(self, place: int) -> list[str]:
        return [row[place].strip() for row in self.rows]

    def numbers(self, place: int, *, needed: bool = True) -> NDArray[np.float64]:
        """The column as numbers, NaN where a cell is empty. A decimal comma is understood.

        Raises:
            GazeError: a cell is no number; or, if ``needed``, all cells are empty.
        """
        values = np.empty(len(self.rows))
        for i, cell in enumerate(self.text(place)):
            if cell.lower() in MISSING:
                values[i] = math.nan
                continue
            try:
                values[i] = float(cell)
            except ValueError:
                try:
                    values[i] = float(cell.replace(",", "."))
                except ValueError:
                    raise GazeError(
                        f"{self.path}, line {self.lines[i]}: {cell!r} in column "
                        f"{self.title(place)} is not a number"
                    ) from None
        if needed and not np.isfinite(values).any():
            raise GazeError(
                f"{self.path}: column {self.title(place)} is empty in all {len(values)} rows; "
                "export it again with its values"
            )
        return values

    def seconds_since(self, place: int, origin: int) -> NDArray[np.float64]:
        """A column of whole nanoseconds as seconds after ``origin``, exact to the nanosecond."""
        values = np.empty(len(self.rows))
        for i, cell in enumerate(self.text(place)):
            values[i] = (self._whole(cell, i, place) - origin) / 1e9
        return values

    def first_whole(self, place: int) -> int:
        return self._whole(self.rows[0][place].strip(), 0, place)

    def title(self, place: int) -> str:
        return repr(self.names[place]) if self.names else f"number {place + 1}"

    def _whole(self, cell: str, row: int, place: int) -> int:
        try:
            return int(cell)
        except ValueError:
            try:
                return int(float(cell))
            except ValueError:
                raise GazeError(
                    f"{self.path}, line {self.lines[row]}: {cell!r} in column "
                    f"{self.title(place)} is not a time in nanoseconds"
                ) from None


def read_text(path: Path) -> str:
    """The text of a file, in the encodings that trackers' programs write.

    Raises:
        GazeError: it is missing, a folder, empty, or no text.
    """
    try:
        data = path.read_bytes()
    except IsADirectoryError:
        raise GazeError(f"{path} is a folder: name the file of gaze in it") from None
    except OSError as error:
        raise GazeError(f"{path} cannot be read: {error.strerror}") from error
    if not data.strip():
        raise GazeError(f"{path} is empty: it was not exported or copied fully")
    marks = (b"\xff\xfe", b"\xfe\xff")
    try:
        text = data.decode("utf-16" if data.startswith(marks) else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if "\0" in text:
        raise GazeError(f"{path} is not a text file; a table of gaze was expected")
    return text


def parse_table(path: Path, text: str, comment: str = "#") -> Table:
    """The table in ``text``. The separator is tab, semicolon or comma; a first row of numbers
    means that there is no header.

    Raises:
        GazeError: there are no rows.
    """
    lines = text.splitlines()
    first = next((line for line in lines if line.strip() and not line.startswith(comment)), "")
    separator = next((s for s in "\t;" if s in first), ",")
    kept = [
        (number, line)
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.startswith(comment)
    ]
    numbers = [number for number, _ in kept]
    rows = list(csv.reader((line for _, line in kept), delimiter=separator))
    names: Sequence[str] = ()
    if rows and not _is_number(rows[0][0]):
        names = [name.strip() for name in rows.pop(0)]
        numbers.pop(0)
    if not rows:
        raise GazeError(f"{path} has a header but no rows: nothing was recorded or exported")
    width = max(len(names), *(len(row) for row in rows))
    names = [*names, *[""] * (width - len(names))] if names else ()
    for row in rows:
        row.extend([""] * (width - len(row)))
    return Table(path, tuple(names), rows, numbers)


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip().replace(",", "."))
    except ValueError:
        return False
    return True
