"""A fair lock."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType

POLL = 1.0
"""Longest single wait, in seconds."""


class Turns:
    """A lock that is had in the order of asking, so that a busy stream cannot starve another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._line: deque[threading.Event] = deque()
        self._taken = False

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._line)

    def __enter__(self) -> None:
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Event()
            self._line.append(mine)
        while not mine.wait(POLL):  # whoever has the turn always hands it on
            pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            if self._line:
                self._line.popleft().set()  # it stays taken: handed on, not given up
            else:
                self._taken = False
