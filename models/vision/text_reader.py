"""Text on screen: RapidOCR's bundled PP-OCRv6 models, run only where text may have changed.

Finding text costs more than anything else that is done with a picture, and most pictures of a
stream show the same text as the last one, or none. So a :class:`TextTracker` first compares
edges (lettering is dense, sharp edges); detects only where those changed; and recognises only
the lines that look different from those it has read already.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
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

THUMB = (96, 24)  # width and height at which two looks of a line are compared
SAME_LOOK = 0.9  # correlation from which they are the same text
GRID = 16  # pixels of a cell in the edge maps
MAP_WIDTH = 480  # pixels across the picture in the edge maps


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
    look: NDArray[np.float32]


class TextTracker:
    """Follows the text of one stream.

    Attributes:
        detections: times the detector ran.
        recognitions: lines given to the recogniser.
    """

    def __init__(self, reader: TextReader) -> None:
        self.detections = 0
        self.recognitions = 0
        self._reader = reader
        self._edges: NDArray[np.float32] | None = None
        self._lines: tuple[_Line, ...] = ()

    def update(self, image: Image) -> list[ReadText] | None:
        """None where the text is as it was; otherwise the lines now on screen, perhaps none."""
        edges = _edge_map(image)
        if self._edges is not None and not _lettering_changed(self._edges, edges):
            return None
        self._edges = edges
        before = sorted(line.text.text for line in self._lines)
        self._lines = self._look(image)
        now = [line.text for line in self._lines]
        return None if sorted(text.text for text in now) == before else now

    def _look(self, image: Image) -> tuple[_Line, ...]:
        self.detections += 1
        height, width = image.shape[:2]
        corners = self._reader.find(image)
        crops = [cut(image, quad) for quad in corners]
        lines: list[_Line | None] = []
        unread: list[int] = []
        for index, (quad, crop) in enumerate(zip(corners, crops, strict=True)):
            box, look = bounds(quad, width, height), _look_of(crop)
            known = next((line for line in self._lines if _same(line, box, look)), None)
            if known is None:
                unread.append(index)
                lines.append(_Line(ReadText("", box, 0.0), look))
            else:
                lines.append(_Line(replace(known.text, box=box), known.look))
        self.recognitions += len(unread)
        read = self._reader.recognise([crops[index] for index in unread])
        for index, (text, confidence) in zip(unread, read, strict=True):
            line = lines[index]
            assert line is not None
            kept = replace(line, text=ReadText(text, line.text.box, confidence))
            lines[index] = kept if _readable(text, confidence) else None
        return tuple(line for line in lines if line is not None)


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
    """A line as a small picture of zero mean and unit length, to compare looks by."""
    luma = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(luma, THUMB, interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= small.mean()
    return np.asarray(small / max(float(np.linalg.norm(small)), 1e-6), dtype=np.float32)


def _same(line: _Line, box: Box, look: NDArray[np.float32]) -> bool:
    """The same text: it looks alike and has about the shape it had. It may have moved."""
    left, top, right, bottom = line.text.box
    if abs((right - left) - (box[2] - box[0])) > 0.15 * (right - left):
        return False
    if abs((bottom - top) - (box[3] - box[1])) > 0.3 * (bottom - top):
        return False
    return float((line.look * look).sum()) > SAME_LOOK


def _edge_map(image: Image) -> NDArray[np.float32]:
    """Where lettering may be: strength of upright edges, ``float32 (h, w)``."""
    height, width = image.shape[:2]
    size = (MAP_WIDTH, max(GRID, round(height * MAP_WIDTH / width)))
    luma = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return np.asarray(np.abs(cv2.Sobel(luma, cv2.CV_32F, 1, 0)), dtype=np.float32)


def _lettering_changed(before: NDArray[np.float32], now: NDArray[np.float32]) -> bool:
    """Whether edges came or went in any cell that is, or was, full enough of them for text."""
    strong = 150.0
    had, has = before > strong, now > strong
    texty = np.maximum(_per_cell(had), _per_cell(has)) > 0.06
    # Edges that moved by a pixel are the same edges: compare with what lies around each.
    around = np.ones((3, 3), np.uint8)
    new = has & ~(cv2.dilate(had.astype(np.uint8), around) > 0)
    gone = had & ~(cv2.dilate(has.astype(np.uint8), around) > 0)
    changed = np.maximum(_per_cell(new), _per_cell(gone)) > 0.03
    return bool((texty & changed).any())


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
