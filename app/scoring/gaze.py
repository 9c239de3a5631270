"""Whose gaze goes with a video: its own, another's to compare with, or none."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from app.scoring.questions import DataError
from pipeline.sources.gaze import GazeError, GazeTrack, read_gaze

GazeOf = Callable[[Path], GazeTrack | None]
"""The gaze that goes with a video file, or None."""

FOLDER = "gaze"
"""Beside the questions: where their gaze is looked for unless another folder is named."""

SUFFIXES = {".csv", ".tsv", ".txt", ".npy", ".raw"}


def gaze_finder(named: str | None, beside: Path, videos: Sequence[str]) -> tuple[str, GazeOf]:
    """Which gaze is given, in one word for the header, and what finds it.

    Args:
        named: a folder of gaze files, each named after its video (StreamGaze's tables of
            fixations, or any that :func:`pipeline.sources.gaze.read_gaze` reads);
            ``"shuffled"`` or ``"shuffled:FOLDER"`` gives each video the gaze of the next one;
            ``"none"`` gives none. By default the folder ``gaze`` in ``beside``, if there is one.
        beside: folder of the questions.
        videos: of the questions, as they name them.

    Raises:
        DataError: there is no such folder, no file for a video, or only one video to shuffle.
    """
    if named == "none" or (named is None and not (beside / FOLDER).is_dir()):
        return "none", lambda video: None
    word, _, rest = (named or "").partition(":")
    shuffled = word == "shuffled"
    if not shuffled:
        rest = named or ""
    folder = Path(rest) if rest else beside / FOLDER
    if not folder.is_dir():
        raise DataError(
            f"{folder} is no folder; --gaze names where the gaze files are, or is none or shuffled"
        )
    stems = sorted({Path(video).stem for video in videos})
    given = dict(zip(stems, stems, strict=True))
    if shuffled:
        if len(stems) < 2:
            raise DataError("shuffled gaze is that of another video: it needs at least two")
        given = dict(zip(stems, [*stems[1:], stems[0]], strict=True))
    files = {stem: _file(folder, whose) for stem, whose in given.items()}
    return "shuffled" if shuffled else "own", lambda video: _read(files[video.stem])


def _file(folder: Path, stem: str) -> Path:
    """Raises DataError where there is none for that video."""
    mine = re.compile(re.escape(stem) + r"(?![^\W_])", re.IGNORECASE)  # "P1", "P1_gaze"; not "P12"
    found = sorted(
        (p for p in folder.iterdir() if mine.match(p.name) and p.suffix.lower() in SUFFIXES),
        key=lambda p: (len(p.name), p.name),
    )
    if not found:
        raise DataError(f"no gaze of {stem} in {folder}: a file named {stem}.csv, say")
    return found[0]


def _read(path: Path) -> GazeTrack:
    """Raises DataError where it cannot be read."""
    try:
        return read_gaze(path)
    except GazeError as error:
        raise DataError(str(error)) from error
