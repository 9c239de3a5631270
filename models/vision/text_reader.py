"""Text on screen: RapidOCR's bundled PP-OCRv6 models, run only where text may have changed.

Finding text costs more than anything else that is done with a picture, and most pictures of a
stream show the same text as the last one, or none. So a :class:`TextTracker` first compares
edges (lettering is dense, sharp edges); detects only where those changed; and recognises only
the lines that look different from those it has read already.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Box = tuple[float, float, float, float]

LONGEST_SIDE = 736
"""Pixels of the longer side at which text is looked for; it is read at full size."""

LEAST_CONFIDENCE = 0.8
LEAST_FOR_ONE = 0.95
"""The same for a single character: leaves and bricks are easily taken for one."""

LOOK_HEIGHT = 24  # pixels at which two looks of a line are compared
MOST_LOOK = 1440
PIECE = 8  # pixels of the side of a piece of it: one changed digit must not go unseen
SAME_LOOK = 0.15  # mean difference of a piece, by the line's contrast, up to which it is alike
STRONG = 150.0  # Sobel response of an edge that may be lettering
RAREST = 4
SCENE_CUT = 0.08  # mean difference of tiny pictures, in [0, 1]
GRID = 16  # pixels of a cell in the edge maps
MAP_WIDTH = 480  # pixels across the picture in the edge maps
TALLEST = 4  # most times their width that these are high: a damaged picture may be a line


class TextReaderError(Exception):
    """Text cannot be read; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ReadText:
    """One line of text.

    ``box`` is left, top, right, bottom in [0, 1] around it; ``confidence`` in [0, 1].
    """

    text: str
    box: Box
    confidence: float


class TextReader:
    """Finds and reads lines of text. Thread-safe: one may serve many streams.

    Args:
        threads: processor threads for the models.

    Raises:
        TextReaderError: the package is missing.
    """

    def __init__(self, threads: int = 2) -> None:
        self._detector, self._recogniser = _load(threads)
        self._lock = threading.Lock()

    def read(self, image: Image) -> list[ReadText]:
        """The lines in an RGB picture ``uint8 (H, W, 3)``, from the top."""
        corners = self.find(image)
        read = self.recognise([cut(image, quad) for quad in corners])
        height, width = image.shape[:2]
        return [
            ReadText(text, bounds(quad, width, height), confidence)
            for quad, (text, confidence) in zip(corners, read, strict=True)
            if _readable(text, confidence)
        ]

    def find(self, image: Image) -> list[NDArray[np.float32]]:
        """The corners of each line, ``(4, 2)`` in pixels, clockwise from the top left."""
        with self._lock:
            found = self._detector(_bgr(image))
        return [] if found.boxes is None else list(np.asarray(found.boxes, dtype=np.float32))

    def recognise(self, lines: Sequence[Image]) -> list[tuple[str, float]]:
        """Text and confidence of pictures of single lines, RGB."""
        if not lines:
            return []
        from rapidocr.ch_ppocr_rec import TextRecInput

        with self._lock:
            read = self._recogniser(TextRecInput(img=[_bgr(line) for line in lines]))
        pairs = zip(read.txts or (), read.scores or (), strict=True)
        return [(str(text).strip(), float(score)) for text, score in pairs]


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    text: ReadText
    quad: NDArray[np.float32]
    look: NDArray[np.float32]


class TextTracker:
    """Follows the text of one stream.

    Where a moving picture keeps changing without new text, it is looked at less often: down to
    every :data:`RAREST` th picture, until its lettering changes more than it has of late.

    Attributes:
        detections: times the detector ran.
        recognitions: lines given to the recogniser.
    """

    def __init__(self, reader: TextReader) -> None:
        self.detections = 0
        self.recognitions = 0
        self._reader = reader
        self._lines: tuple[_Line, ...] = ()
        self._looked: NDArray[np.float32] | None = None  # edges when text was last looked for
        self._last: NDArray[np.float32] | None = None  # edges of the last picture
        self._thumb: NDArray[np.float32] | None = None  # the last picture, tiny
        self._vain = 0  # looks in a row that found nothing new
        self._skipped = 0
        self._usual = 0.0  # share of the picture that changed at those looks, smoothed

    def update(self, image: Image) -> list[ReadText] | None:
        """None where the text is as it was; otherwise the lines now on screen, perhaps none."""
        edges = _edge_map(image)
        cut_here = self._cut(image)
        still = tuple(line for line in self._lines if _unchanged(line, image))
        if not self._worth_looking(edges, still, cut_here):
            return None
        before = sorted(line.text.text for line in self._lines)
        self._lines = self._look(image, still)
        now = [line.text for line in self._lines]
        if sorted(text.text for text in now) == before:
            self._vain += 1
            return None
        self._vain = 0
        return now

    def _cut(self, image: Image) -> bool:
        """Whether this picture is of another scene than the last."""
        small = cv2.resize(image, (16, 9), interpolation=cv2.INTER_AREA)
        now = np.asarray(small, dtype=np.float32) / np.float32(255)
        last = self._thumb
        self._thumb = now
        return last is not None and float(np.abs(now - last).mean()) > SCENE_CUT

    def _worth_looking(
        self, edges: NDArray[np.float32], still: tuple[_Line, ...], cut_here: bool
    ) -> bool:
        last, self._last = self._last, edges
        if self._looked is None or last is None or last.shape != edges.shape:
            self._looked = edges
            return True
        boxes = [line.text.box for line in still]
        gone = len(still) < len(self._lines)
        if not gone and not _lettering_changed(self._looked, edges, boxes):
            return False
        share = _lettering_changed(last, edges, boxes)
        surge = cut_here or share > 2 * self._usual + 0.02
        self._usual += 0.3 * (share - self._usual)
        self._skipped += 1
        if not surge and self._skipped < min(1 + self._vain // 2, RAREST):
            return False
        self._skipped = 0
        self._looked = edges
        return True

    def _look(self, image: Image, still: tuple[_Line, ...]) -> tuple[_Line, ...]:
        self.detections += 1
        height, width = image.shape[:2]
        found = [(quad, bounds(quad, width, height)) for quad in self._reader.find(image)]
        new = [f for f in found if all(_shared(f[1], line.text.box) < 0.6 for line in still)]
        # A line that a longer or shorter one now lies across is not what it was.
        kept = [line for line in still if all(_shared(box, line.text.box) < 0.1 for _, box in new)]
        self.recognitions += len(new)
        crops = [cut(image, quad) for quad, _ in new]
        for (quad, box), crop, (text, confidence) in zip(
            new, crops, self._reader.recognise(crops), strict=True
        ):
            if _readable(text, confidence):
                kept.append(_Line(ReadText(text, box, confidence), quad, _look_of(crop)))
        return tuple(sorted(kept, key=lambda line: (line.text.box[1], line.text.box[0])))


def _readable(text: str, confidence: float) -> bool:
    return bool(text) and confidence >= (LEAST_FOR_ONE if len(text) == 1 else LEAST_CONFIDENCE)


def bounds(quad: NDArray[np.float32], width: int, height: int) -> Box:
    """The upright box around four corners, in [0, 1]."""
    left, top = (quad.min(0) / (width, height)).clip(0, 1)
    right, bottom = (quad.max(0) / (width, height)).clip(0, 1)
    return float(left), float(top), float(right), float(bottom)


def cut(image: Image, quad: NDArray[np.float32]) -> Image:
    """The line inside four corners, laid straight."""
    width = max(1, round(float(max(_far(quad[0], quad[1]), _far(quad[3], quad[2])))))
    height = max(1, round(float(max(_far(quad[0], quad[3]), _far(quad[1], quad[2])))))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    straight = cv2.warpPerspective(
        image,
        cv2.getPerspectiveTransform(quad, target),
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if height >= 1.5 * width:  # a line written downwards
        straight = np.rot90(straight)
    return np.ascontiguousarray(straight, dtype=np.uint8)


def _far(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(a - b))


def _bgr(image: Image) -> Image:
    return np.ascontiguousarray(image[..., ::-1])


def _look_of(crop: Image) -> NDArray[np.float32]:
    """A line as a grey picture of a fixed height, zero mean and unit contrast."""
    luma = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    width = max(PIECE, round(luma.shape[1] * LOOK_HEIGHT / luma.shape[0] / PIECE) * PIECE)
    size = (min(width, MOST_LOOK), LOOK_HEIGHT)
    small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray((small - small.mean()) / max(float(small.std()), 1.0), dtype=np.float32)


def _unchanged(line: _Line, image: Image) -> bool:
    """Whether every piece of the line still looks as it did, where it was."""
    look = _look_of(cut(image, line.quad))
    if look.shape != line.look.shape:
        return False
    apart = np.abs(line.look - look).reshape(LOOK_HEIGHT // PIECE, PIECE, -1, PIECE).mean((1, 3))
    return bool(apart.max() < SAME_LOOK)


def _shared(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 0.0
    both = across * down
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def _edge_map(image: Image) -> NDArray[np.float32]:
    """Where lettering may be: strength of upright edges, ``float32 (h, w)``."""
    height, width = image.shape[:2]
    size = (MAP_WIDTH, min(TALLEST * MAP_WIDTH, max(GRID, round(height * MAP_WIDTH / width))))
    luma = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return np.asarray(np.abs(cv2.Sobel(luma, cv2.CV_32F, 1, 0)), dtype=np.float32)


def _lettering_changed(
    before: NDArray[np.float32], now: NDArray[np.float32], known: Sequence[Box]
) -> float:
    """Share of the picture's cells that are or were full enough of edges for text, and where
    edges came or went. What lies in the ``known`` boxes is left out."""
    had, has = before > STRONG, now > STRONG
    # Edges that moved by a pixel are the same edges: compare with what lies around each.
    around = np.ones((3, 3), np.uint8)
    new = has & ~(cv2.dilate(had.astype(np.uint8), around) > 0)
    gone = had & ~(cv2.dilate(has.astype(np.uint8), around) > 0)
    height, width = now.shape
    for left, top, right, bottom in known:
        inside = (
            slice(int(top * height), math.ceil(bottom * height)),
            slice(int(left * width), math.ceil(right * width)),
        )
        new[inside] = gone[inside] = False
    full = np.maximum(_per_cell(had), _per_cell(has)) > 0.06
    changed = np.maximum(_per_cell(new), _per_cell(gone)) > 0.03
    return float((full & changed).mean())


def _per_cell(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Share of each cell that is set."""
    height, width = mask.shape
    cells = (max(1, width // GRID), max(1, height // GRID))
    small = cv2.resize(mask.astype(np.float32), cells, interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float32)


def _load(threads: int) -> tuple[Any, Any]:
    try:
        from rapidocr import RapidOCR
    except ImportError as error:
        raise TextReaderError(
            f"text on screen cannot be read: install the package rapidocr ({error})"
        ) from error
    engine = RapidOCR(
        params={
            "Global.log_level": "error",
            "Det.limit_type": "max",
            "Det.limit_side_len": LONGEST_SIDE,
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
    return engine._load_det_model(), engine._load_rec_model()
