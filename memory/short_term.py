"""Recent pictures at hand: those sampled from the last segments, as JPEG, within bytes.

A question about something of a minute ago may need another look at it. What leaves here is not
lost: what was made out in it is in the store.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from models.media import Frame, jpeg

QUALITY = 90
"""Of the JPEGs."""

_Kept = tuple[tuple[float, bytes], ...]


class ShortTerm:
    """Pictures by segment, the oldest segment's given up first. Any thread may use it.

    Args:
        budget: most bytes that are held.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.given_up = 0
        """Segments whose pictures had to go so far, or never had room."""
        self._held: OrderedDict[int, _Kept] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def keep(self, index: int, pictures: Sequence[Frame]) -> None:
        """Keep the pictures of segment ``index``, in the order of time; in place of what was
        kept of it."""
        packed = tuple((picture.time, jpeg(picture.image, QUALITY)) for picture in pictures)
        with self._lock:
            self._forget(index)
            self._held[index] = packed
            self._bytes += _size(packed)
            while self._bytes > self.budget:
                self._forget(next(iter(self._held)))
                self.given_up += 1

    def get(self, index: int, until: float) -> tuple[Frame, ...]:
        """The pictures of a segment that had been seen at stream time ``until``; none where
        they are gone."""
        with self._lock:
            held = self._held.get(index, ())
        return tuple(Frame(time, _picture(data)) for time, data in held if time <= until)

    @property
    def indices(self) -> Sequence[int]:
        """Segments whose pictures are held, in the order they were given."""
        with self._lock:
            return tuple(self._held)

    @property
    def nbytes(self) -> int:
        """Bytes held now, at most the budget."""
        with self._lock:
            return self._bytes

    def _forget(self, index: int) -> None:
        self._bytes -= _size(self._held.pop(index, ()))


def _size(packed: _Kept) -> int:
    return sum(len(data) for _, data in packed)


def _picture(data: bytes) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR_RGB)
    return np.asarray(image, dtype=np.uint8)
