"""How many requests may be under way at once, in the order of asking."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

POLL = 0.1
"""Seconds between two looks whether a wait was cancelled."""


class Cancelled(Exception):
    """Whoever asked wants it no longer."""


class Busy(Exception):
    """No slot came free in time."""


class Slots:
    """A fair semaphore: slots are had in the order of asking, so that a stream with many
    questions cannot starve another."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._taken = 0
        self._line: deque[object] = deque()
        self._changed = threading.Condition()

    @property
    def taken(self) -> int:
        return self._taken

    @contextmanager
    def slot(self, cancelled: Callable[[], bool], patience: float) -> Iterator[None]:
        """Wait for a slot, and hold it.

        Raises:
            Cancelled: ``cancelled()`` turned true meanwhile.
            Busy: none came free within ``patience`` seconds.
        """
        ticket, until = object(), time.monotonic() + patience
        with self._changed:
            self._line.append(ticket)
            try:
                while self._line[0] is not ticket or self._taken >= self.most:
                    if cancelled():
                        raise Cancelled
                    if time.monotonic() >= until:
                        raise Busy
                    self._changed.wait(POLL)
                self._taken += 1
            finally:
                self._line.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            self._give_back()

    @contextmanager
    def spare(self) -> Iterator[bool]:
        """Hold a slot that nobody waits for, for work that can be left undone; one always stays
        free for questions, but where there is only one. Gives whether it was had."""
        with self._changed:
            had = not self._line and self._taken < max(1, self.most - 1)
            self._taken += had
        try:
            yield had
        finally:
            if had:
                self._give_back()

    def _give_back(self) -> None:
        with self._changed:
            self._taken -= 1
            self._changed.notify_all()
