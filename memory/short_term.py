"""Recent detail at hand: sampled pictures and features of the last segments, within bytes.

What leaves here is not lost: its words are in the store, and its features too for as long
as the store's own budget lets them stay.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Detail:
    """What is kept of one segment.

    Attributes:
        times: stream seconds of the pictures, rising.
        pictures: as JPEG, one a time; empty where none are kept.
        features: ``float16 (T, H, W, D)``, one a time; None where none are kept.
    """

    times: tuple[float, ...]
    pictures: tuple[bytes, ...] = ()
    features: NDArray[np.float16] | None = None

    def __post_init__(self) -> None:
        for name, held in (("pictures", self.pictures), ("features", self.features)):
            if held is not None and len(held) not in (0, len(self.times)):
                raise ValueError(f"{len(held)} {name} for {len(self.times)} times")

    @property
    def nbytes(self) -> int:
        """Bytes it takes."""
        held = 0 if self.features is None else self.features.nbytes
        return held + sum(map(len, self.pictures)) + 8 * len(self.times)

    def as_of(self, time: float) -> Detail:
        """What of it had been seen at stream ``time``."""
        kept = sum(1 for t in self.times if t <= time)
        if kept == len(self.times):
            return self
        features = None if self.features is None else self.features[:kept]
        return replace(
            self, times=self.times[:kept], pictures=self.pictures[:kept], features=features
        )


class ShortTerm:
    """Details by segment, the oldest given up first. Any thread may use it.

    Args:
        budget: most bytes that are held.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.given_up = 0
        """Details that had to go so far, or never had room."""
        self._held: OrderedDict[int, Detail] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def keep(self, index: int, detail: Detail) -> None:
        """Keep the detail of segment ``index``, in place of what was kept of it."""
        with self._lock:
            self._forget(index)
            self._held[index] = detail
            self._bytes += detail.nbytes
            while self._bytes > self.budget:
                self._forget(next(iter(self._held)))
                self.given_up += 1

    def get(self, index: int, until: float | None = None) -> Detail | None:
        """The detail of a segment, as seen at stream time ``until``; None if it is gone."""
        with self._lock:
            detail = self._held.get(index)
        return detail if detail is None or until is None else detail.as_of(until)

    @property
    def indices(self) -> Sequence[int]:
        """Segments whose detail is held, in the order it was given."""
        with self._lock:
            return tuple(self._held)

    @property
    def nbytes(self) -> int:
        """Bytes held now, at most the budget."""
        with self._lock:
            return self._bytes

    def _forget(self, index: int) -> None:
        detail = self._held.pop(index, None)
        self._bytes -= 0 if detail is None else detail.nbytes


def jpeg(image: NDArray[np.uint8], quality: int = 85) -> bytes:
    """An RGB picture ``(H, W, 3)`` as JPEG."""
    done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    if not done:
        raise ValueError(f"a picture of shape {image.shape} cannot be made a JPEG")
    return bytes(data)


def picture(data: bytes) -> NDArray[np.uint8]:
    """The RGB picture ``(H, W, 3)`` of a JPEG.

    Raises:
        ValueError: it is not a picture.
    """
    image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise ValueError("not a picture")
    return np.asarray(image, dtype=np.uint8)
