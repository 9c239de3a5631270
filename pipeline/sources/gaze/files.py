"""Gaze from files: what trackers' programs export and what data sets publish.

Every reader says where the clock starts and in which unit positions are, and resolves both
to stream seconds and normalised coordinates. What was assumed is in the track's remarks.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from models.gaze.geometry import FieldOfView
from pipeline.sources.gaze.table import Table, parse_table, plain, read_text, unit
from pipeline.sources.gaze.track import GazeError, GazeTrack

NEON_SIZE = (1600, 1200)
INVISIBLE_SIZE = (1088, 1080)
EGTEA_SIZE = (1280, 960)
HOLOASSIST_SIZE = (896, 504)
EGTEA_RATE = 24.0
EGOEXO_RATE = 30.0
LONGEST_FIXATION = 600.0
"""Seconds; what is longer is damage, and would be made into endless samples."""

TABLE_RATE = 25.0
"""Samples a second that a table of fixations is turned into."""

SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


@dataclass(slots=True)
class _Read:
    """What a reader found, before it is put in order."""

    times: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    confidence: NDArray[np.float64] | None = None
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Given:
    """What the caller said about the file."""

    frame_size: tuple[int, int] | None
    rate: float | None
    world: Path | None
    view: FieldOfView | None

    def size(self, path: Path, otherwise: tuple[int, int] | None = None) -> tuple[int, int]:
        size = self.frame_size or otherwise
        if size is None:
            raise GazeError(
                f"{path} gives positions in pixels: say of which picture, with frame_size "
                "(width, height)"
            )
        if min(size) <= 0:
            raise GazeError(f"a picture of {size[0]} x {size[1]} pixels is not possible")
        return size


def read_gaze(
    path: str | os.PathLike[str],
    *,
    frame_size: tuple[int, int] | None = None,
    offset: float = 0.0,
    format: str | None = None,
    rate: float | None = None,
    world: str | os.PathLike[str] | None = None,
    view: FieldOfView | None = None,
) -> GazeTrack:
    """Read a file of gaze onto the clock of its video.

    Args:
        path: the file. Its format is told by its header.
        frame_size: width and height in pixels of the picture that pixel positions are in.
        offset: seconds added to every time: above 0 where the gaze began after the video.
        format: one of :data:`FORMATS`, where the header does not tell.
        rate: frames a second of the video, where times are frame numbers.
        world: the times of the scene camera's frames (Pupil Cloud); by default the file
            ``world_timestamps*.csv`` beside ``path``.
        view: field of view of the scene camera, where positions are in degrees.

    Raises:
        GazeError: the file cannot be read; the message names the line or column.
    """
    path = Path(path)
    given = _Given(frame_size, rate, None if world is None else Path(world), view)
    if format is not None and format not in FORMATS:
        raise GazeError(f"there is no gaze format {format!r}: choose from {', '.join(FORMATS)}")
    if format is None and path.suffix.lower() in {".npy", ".raw"}:
        format = "egoexolearn" if path.suffix.lower() == ".npy" else "pupil-invisible-raw"
    if format in _BINARY:
        return _track(path, format, _BINARY[format](path, given), offset)
    text = read_text(path)
    if format is None:
        format = _detect(path, text)
    if format == "begaze":
        return _track(path, format, _begaze(path, text, given), offset)
    return _track(path, format, _TABLES[format](parse_table(path, text), given), offset)


def _detect(path: Path, text: str) -> str:
    if text.lstrip().startswith("## [BeGaze]") or "## Number of Samples:" in text[:4000]:
        return "begaze"
    table = parse_table(path, text)
    names = {plain(name) for name in table.names}
    if {"canonicaltimestamps", "normposx"} <= names:
        return "ego4d"
    if {"gazetimestamp", "normposx"} <= names:
        return "pupil-core"
    if {"timestamp", "gazex", "gazey"} <= names and unit(
        table.names[table.place("time", "timestamp")]
    ) == "ns":
        return "pupil-cloud"
    if {"starttimeseconds", "centerx", "centery"} <= names:
        return "streamgaze"
    if {"recordingtimestamp", "gazepointx"} <= names:
        return "tobii"
    if {"frameidx", "timestampsec", "u", "v"} <= names:
        return "holoassist"
    if {"fixationx", "starttimestamp"} <= names:
        raise GazeError(f"{path} is a table of fixations: give the samples, gaze.csv, instead")
    return "plain"


def _track(path: Path, format: str, read: _Read, offset: float) -> GazeTrack:
    """Puts what was read in order."""
    remarks = list(read.remarks)
    times = read.times + offset
    confidence = np.ones(len(times)) if read.confidence is None else read.confidence
    points = np.stack([read.x, read.y], axis=1)
    timed = np.isfinite(times)
    if not timed.all():
        remarks.append(f"{np.count_nonzero(~timed)} rows without a time were left out")
    order = np.flatnonzero(timed)[np.argsort(times[timed], kind="stable")]
    if (np.diff(order) < 0).any():
        remarks.append("the rows were not in time order and have been sorted")
    fresh = np.concatenate([[True], np.diff(times[order]) > 0])
    if not fresh.all():
        remarks.append(f"{np.count_nonzero(~fresh)} rows with the time of another were left out")
    order = order[fresh]
    points, times = points[order], times[order]
    confidence = np.clip(np.nan_to_num(confidence[order], nan=0.0), 0.0, 1.0)
    points[~np.isfinite(points).all(axis=1)] = np.nan
    if not np.isfinite(points).any():
        raise GazeError(f"{path}: the eye is lost in all {len(times)} rows; there is no gaze in it")
    return GazeTrack(path.name, format, times, points, confidence, tuple(remarks))


def _pupil_cloud(table: Table, given: _Given) -> _Read:
    """Pupil Cloud, Neon and Invisible: nanoseconds since 1970, pixels of the scene camera."""
    stamp = table.place("time", "timestamp")
    x, y = (table.numbers(table.place(f"gaze's {axis}", f"gaze{axis}")) for axis in "xy")
    remarks = []
    world = given.world or next(iter(sorted(table.path.parent.glob("world_timestamps*.csv"))), None)
    if world is not None:
        frames = parse_table(world, read_text(world))
        origin = frames.first_whole(frames.place("frame's time", "timestamp"))
        remarks.append(f"time 0 is the first frame in {world.name}")
    else:
        origin = table.first_whole(stamp)
        remarks.append("no world_timestamps.csv beside it: time 0 is the first sample")
    size = given.frame_size
    if size is None:
        if not (np.nanmax(x) > INVISIBLE_SIZE[0] or np.nanmax(y) > INVISIBLE_SIZE[1]):
            raise GazeError(
                f"{table.path} may be of a Neon ({NEON_SIZE[0]}x{NEON_SIZE[1]}) or an Invisible "
                f"({INVISIBLE_SIZE[0]}x{INVISIBLE_SIZE[1]}): give the video's size as frame_size"
            )
        size = NEON_SIZE
        remarks.append("positions taken as pixels of Neon's scene camera, 1600x1200")
    worn = table.find("worn")
    confidence = None if worn is None else _truth(table.text(worn))
    return _Read(table.seconds_since(stamp, origin), x / size[0], y / size[1], confidence, remarks)


def _pupil_core(table: Table, given: _Given) -> _Read:
    """Pupil Core's player: seconds on its own clock, normalised with 0 at the bottom."""
    times = table.numbers(table.place("time", "gazetimestamp"))
    sure = table.find("confidence")
    remarks = ["time 0 is the first sample; give an offset where the video begins elsewhere"]
    return _Read(
        times - np.nanmin(times),
        table.numbers(table.place("gaze's x", "normposx")),
        1 - table.numbers(table.place("gaze's y", "normposy")),
        None if sure is None else table.numbers(sure),
        remarks,
    )


def _ego4d(table: Table, given: _Given) -> _Read:
    """Ego4D: seconds of the canonical video; normalised, 0 at the top as StreamGaze reads it."""
    sure = table.find("confidence")
    return _Read(
        table.numbers(table.place("time", "canonicaltimestamps")),
        table.numbers(table.place("gaze's x", "normposx")),
        table.numbers(table.place("gaze's y", "normposy")),
        None if sure is None else table.numbers(sure),
    )


def _tobii(table: Table, given: _Given) -> _Read:
    """Tobii Pro Lab: time since the recording began; pixels of the screen or scene camera."""
    stamp = table.place("time", "recordingtimestamp")
    sensor = table.find("sensor")
    if sensor is not None:
        kept = [i for i, s in enumerate(table.text(sensor)) if plain(s) in {"eyetracker", ""}]
        if not kept:
            raise GazeError(f"{table.path} has no rows of the sensor 'Eye Tracker'")
        table = Table(
            table.path,
            table.names,
            [table.rows[i] for i in kept],
            [table.lines[i] for i in kept],
        )
    times = table.numbers(stamp)
    remarks = []
    scale = SECONDS.get(unit(table.names[stamp]))
    if scale is None:
        # Pro Lab wrote no unit for years; no tracker of theirs samples every 0.5 s or more.
        fine = median(np.diff(times).tolist() or [0.0]) >= 500
        scale = 1e-6 if fine else 1e-3
        said = "micro" if fine else "milli"
        remarks.append(f"the time has no unit; taken as {said}seconds by its spacing")
    places = [table.place(f"gaze's {axis}", f"gazepoint{axis}") for axis in "xy"]
    x, y = (table.numbers(place) for place in places)
    if "norm" not in unit(table.names[places[0]]):
        width, height = given.size(table.path, _tobii_size(table))
        x, y = x / width, y / height
    validity = [table.find(f"validity{side}") for side in ("left", "right")]
    confidence = None
    if any(place is not None for place in validity):
        columns = [table.text(place) for place in validity if place is not None]
        good = [[plain(cell) in {"valid", "0"} for cell in column] for column in columns]
        confidence = np.any(good, axis=0).astype(float)
    return _Read(times * scale, x, y, confidence, remarks)


def _tobii_size(table: Table) -> tuple[int, int] | None:
    places = [table.find(f"recordingresolution{side}") for side in ("width", "height")]
    if None in places:
        return None
    width, height = (table.numbers(place) for place in places if place is not None)
    return int(np.nanmax(width)), int(np.nanmax(height))


def _holoassist(table: Table, given: _Given) -> _Read:
    """HoloAssist as projected by StreamGaze: seconds; pixels of 896 x 504."""
    width, height = given.size(table.path, HOLOASSIST_SIZE)
    valid = _truth(table.text(table.place("validity", "valid")))
    return _Read(
        table.numbers(table.place("time", "timestampsec")),
        table.numbers(table.place("gaze's x", "u")) / width,
        table.numbers(table.place("gaze's y", "v")) / height,
        valid,
    )


def _streamgaze(table: Table, given: _Given) -> _Read:
    """StreamGaze's tables of fixations: held at their centre, untracked between."""
    columns = ("starttimeseconds", "endtimeseconds", "centerx", "centery")
    start, end, x, y = (table.numbers(table.place(name, name)) for name in columns)
    times, xs, ys = [], [], []
    for row in np.argsort(start, kind="stable"):
        if not 0 < end[row] - start[row] <= LONGEST_FIXATION:
            raise GazeError(
                f"{table.path}, line {table.lines[row]}: the fixation ends at {end[row]} s, "
                f"not within {LONGEST_FIXATION:.0f} s after its start at {start[row]} s"
            )
        count = int((end[row] - start[row]) * TABLE_RATE) + 1
        inside = np.linspace(start[row], end[row], max(2, count))
        times.append(np.append(inside, end[row] + 1 / TABLE_RATE))
        xs.append(np.append(np.full(len(inside), x[row]), np.nan))
        ys.append(np.append(np.full(len(inside), y[row]), np.nan))
    remarks = ["a table of fixations: the gaze is taken to rest at their centres"]
    return _Read(np.concatenate(times), np.concatenate(xs), np.concatenate(ys), None, remarks)


def _plain(table: Table, given: _Given) -> _Read:
    """A table of t, x, y and perhaps confidence, by name or in this order.

    Units are taken from the names (``t [ms]``, ``x [px]``, ``x [deg]``); without, times are
    seconds and positions normalised, or pixels where they cannot be that.
    """
    path = table.path
    if table.names:
        stamp = table.place("time", "t", "time", "timestamp", "times", "seconds", "timeseconds")
        places = [
            table.place(f"gaze's {axis}", axis, f"gaze{axis}", f"norm{axis}", f"gazepoint{axis}")
            for axis in "xy"
        ]
        sure = table.find("confidence", "c", "conf")
    else:
        if len(table.rows[0]) < 3:
            raise GazeError(
                f"{path}, line {table.lines[0]}: {len(table.rows[0])} columns; "
                "time, x and y were expected"
            )
        stamp, places = 0, [1, 2]
        sure = 3 if len(table.rows[0]) > 3 else None
    remarks: list[str] = []
    said = unit(table.names[stamp]) if table.names else ""
    if said and said not in SECONDS:
        raise GazeError(f"{path}: the unit {said!r} of the time is not one of {', '.join(SECONDS)}")
    times = table.numbers(stamp) * SECONDS.get(said, 1.0)
    x, y = (table.numbers(place) for place in places)
    positions = unit(table.names[places[0]]) if table.names else ""
    if positions == "deg":
        if given.view is None:
            raise GazeError(f"{path} gives positions in degrees: say the camera's view")
        x, y = given.view.position(x, y)
    elif positions == "px" or (not positions and not _is_normalised(x, y)):
        width, height = given.size(path)
        if not positions:
            remarks.append(f"positions have no unit; taken as pixels of {width}x{height}")
        x, y = x / width, y / height
    elif positions not in {"", "norm", "normalised", "normalized", "1"}:
        raise GazeError(f"{path}: the unit {positions!r} of positions is not px, deg or norm")
    confidence = None if sure is None else table.numbers(sure)
    return _Read(times, x, y, confidence, remarks)


def _is_normalised(x: NDArray[np.float64], y: NDArray[np.float64]) -> bool:
    """Whether most points lie in or near the picture, taken as normalised."""
    both = np.concatenate([x, y])
    both = both[np.isfinite(both)]
    return bool(np.mean((both >= -0.5) & (both <= 1.5)) > 0.9)


def _begaze(path: Path, text: str, given: _Given) -> _Read:
    """BeGaze text as EGTEA Gaze+ publishes it, with 7 or 26 columns.

    The tracker's clock counts microseconds from its own start; the frame numbers in the file
    (24 a second) say where the video starts on it.
    """
    rate = given.rate or EGTEA_RATE
    size: tuple[int, int] | None = None
    names: list[str] = []
    stamps, xs, ys, frames, events = [], [], [], [], []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("## Calibration Area:"):
            numbers = [int(part) for part in line.split() if part.isdigit()]
            size = (numbers[0], numbers[1]) if len(numbers) > 1 else size
        if line.startswith("##") or not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split()
        if plain(cells[0]) == "time":
            names = [plain(cell) for cell in cells]
            continue
        if len(cells) > 1 and cells[1] not in {"SMP", ""}:
            continue  # messages
        at = _begaze_places(path, number, names, len(cells))
        try:
            stamps.append(float(cells[0]) / 1e6)
            xs.append(float(cells[at["x"]]))
            ys.append(float(cells[at["y"]]))
            frames.append(_frame_seconds(cells[at["frame"]], rate))
        except (ValueError, IndexError) as error:
            raise GazeError(f"{path}, line {number}: {error}") from None
        events.append(cells[at["event"]].lower())
    if not stamps:
        raise GazeError(f"{path} has a header but no samples")
    width, height = given.size(path, size or EGTEA_SIZE)
    times, x, y = np.array(stamps), np.array(xs), np.array(ys)
    times = times + float(np.median(np.array(frames) - times))
    lost = ((x == 0) & (y == 0)) | np.array([event == "blink" for event in events])
    remarks = [f"time 0 is the video's first frame, by its frame numbers at {rate:g} a second"]
    return _Read(times, x / width, y / height, (~lost).astype(float), remarks)


def _begaze_places(path: Path, line: int, names: list[str], width: int) -> dict[str, int]:
    found = {}
    for what, wanted in {
        "x": ("bporx", "lporx", "rporx"),
        "y": ("bpory", "lpory", "rpory"),
        "frame": ("frame",),
        "event": ("beventinfo", "leventinfo", "reventinfo"),
    }.items():
        place = next((names.index(name) for name in wanted if name in names), None)
        if place is not None and place < width:
            found[what] = place
    if len(found) == 4:
        return found
    if width == 7:
        return {"x": 3, "y": 4, "frame": 5, "event": 6}
    if width == 26:
        return {"x": 5, "y": 6, "frame": 24, "event": 25}
    raise GazeError(
        f"{path}, line {line}: {width} columns, and no header that names POR X, POR Y, Frame "
        "and Event Info; EGTEA's files have 7 or 26"
    )


def _frame_seconds(cell: str, rate: float) -> float:
    """Seconds of a frame given by its number or as hours:minutes:seconds:frame."""
    if ":" not in cell:
        return int(cell) / rate
    hours, minutes, seconds, frame = (int(part) for part in cell.split(":"))
    return 3600 * hours + 60 * minutes + seconds + frame / rate


def _egoexolearn(path: Path, given: _Given) -> _Read:
    """EgoExoLearn: an array of x, y, valid per frame, normalised, 30 a second."""
    try:
        rows = np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)
    except Exception as error:  # what NumPy makes of a damaged header is without limits
        raise GazeError(
            f"{path} cannot be read as a NumPy array: it is damaged, or of another kind"
        ) from error
    if rows.ndim != 2 or rows.shape[1] < 3 or not len(rows):
        raise GazeError(f"{path} has the shape {rows.shape}; rows of x, y, valid were expected")
    times = np.arange(len(rows)) / (given.rate or EGOEXO_RATE)
    return _Read(times, rows[:, 0], rows[:, 1], (rows[:, 2] == 1).astype(float))


def _invisible_raw(path: Path, given: _Given) -> _Read:
    """Pupil Invisible's own files: pairs of float32 pixels in ``gaze ps1.raw``, int64
    nanoseconds in ``gaze ps1.time`` beside it, those of the video's frames in
    ``PI world v1 ps1.time``."""
    stamps = path.with_suffix(".time")
    worlds = sorted(path.parent.glob("PI world*.time"))
    try:
        points = np.fromfile(path, dtype="<f4")
        times = np.fromfile(stamps, dtype="<i8")
        world = given.world or next(iter(worlds), None)
        frames = None if world is None else np.fromfile(world, dtype="<i8")
    except OSError as error:
        raise GazeError(f"{error.filename or path} cannot be read: {error.strerror}") from error
    if not len(times) or len(points) != 2 * len(times):
        raise GazeError(
            f"{path} holds {len(points)} numbers for {len(times)} times in {stamps.name}; "
            "two each were expected"
        )
    width, height = given.size(path, INVISIBLE_SIZE)
    origin = times[0] if frames is None or not len(frames) else frames[0]
    with np.errstate(invalid="ignore"):  # a damaged number is no number
        xy = points.reshape(-1, 2).astype(np.float64)
    return _Read((times - origin) / 1e9, xy[:, 0] / width, xy[:, 1] / height)


def _truth(cells: list[str]) -> NDArray[np.float64]:
    return np.array([cell.lower() in {"1", "1.0", "true", "yes"} for cell in cells], dtype=float)


_TABLES: dict[str, Callable[[Table, _Given], _Read]] = {
    "pupil-cloud": _pupil_cloud,
    "pupil-core": _pupil_core,
    "tobii": _tobii,
    "ego4d": _ego4d,
    "holoassist": _holoassist,
    "streamgaze": _streamgaze,
    "plain": _plain,
}
_BINARY: dict[str, Callable[[Path, _Given], _Read]] = {
    "egoexolearn": _egoexolearn,
    "pupil-invisible-raw": _invisible_raw,
}
FORMATS = (*_TABLES, "begaze", *_BINARY)
"""The formats that :func:`open_gaze` reads. ``"begaze"`` is EGTEA Gaze+'s."""
