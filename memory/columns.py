"""Growing arrays that need not stay in the process's own memory.

A column that has grown large lies in a nameless file that is mapped into memory: the kernel
keeps of it what fits, and :meth:`Column.release` gives the process's share back between
uses. Where no such file can be made (a full disk, a folder that may not be written), it lies
in memory like any other array.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAPPED_FROM = 1 << 16
"""Bytes from which a column is mapped."""


class Column:
    """A growing array. Views of it stay valid, and as they were, while it grows.

    Args:
        dtype: of its values.
        folder: where its file goes.
    """

    def __init__(self, dtype: type[Any], folder: Path) -> None:
        self._folder = folder
        self._mapping: mmap.mmap | None = None
        self._data: NDArray[Any] = np.zeros(1024, dtype=dtype)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def extend(self, values: NDArray[Any]) -> None:
        need = self._length + len(values)
        if need > len(self._data):
            earlier = self.view()
            self._allocate(max(need, 2 * len(self._data)))
            self._data[: self._length] = earlier
        self._data[self._length : need] = values
        self._length = need

    def view(self) -> NDArray[Any]:
        return self._data[: self._length]

    def release(self) -> None:
        """Let the kernel have the pages; they come back when they are next looked at."""
        if self._mapping is not None:
            self._mapping.madvise(mmap.MADV_DONTNEED)

    def _allocate(self, count: int) -> None:
        size = count * self._data.itemsize
        if size >= MAPPED_FROM:
            try:
                with tempfile.TemporaryFile(dir=self._folder) as file:
                    # Written into a hole on a full disk, a mapping would kill the process.
                    os.posix_fallocate(file.fileno(), 0, size)
                    self._mapping = mmap.mmap(file.fileno(), size)
                self._data = np.frombuffer(self._mapping, dtype=self._data.dtype)
                return
            except OSError:
                self._mapping = None
        self._data = np.zeros(count, dtype=self._data.dtype)
