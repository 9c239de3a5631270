"""Who may use the model now: an answer, or the watcher's next chunk."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_POLL = 0.5
"""Seconds after which a waiting thread looks again, whether notified or not."""


class PriorityGate:
    """One forward pass at a time; answers go before watching.

    While an answer is under way (:meth:`answering`) the watcher's chunks wait, so an answer
    is held up by at most the one chunk that was running when it began. A long answer must
    not blind the watcher either: a chunk that has waited ``patience`` seconds slips in
    between two tokens.

    Args:
        patience: longest wait of a background chunk behind an answer, in seconds.
    """

    def __init__(self, patience: float = 2.0) -> None:
        self.patience = patience
        self._changed = threading.Condition()
        self._busy = False
        self._answers = 0

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Held around a whole answer; may be nested."""
        with self._changed:
            self._answers += 1
        try:
            yield
        finally:
            with self._changed:
                self._answers -= 1
                self._changed.notify_all()

    @contextmanager
    def foreground(self) -> Iterator[None]:
        """Held around one forward pass of an answer."""
        with self.answering():
            with self._changed:
                while self._busy:
                    self._changed.wait(_POLL)
                self._busy = True
            try:
                yield
            finally:
                self._release()

    @contextmanager
    def background(self) -> Iterator[None]:
        """Held around one chunk of the watcher's prefill."""
        deadline = time.monotonic() + self.patience
        with self._changed:
            while self._busy or (self._answers and time.monotonic() < deadline):
                left = deadline - time.monotonic()
                self._changed.wait(min(_POLL, left) if left > 0 else _POLL)
            self._busy = True
        try:
            yield
        finally:
            self._release()

    def _release(self) -> None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()
