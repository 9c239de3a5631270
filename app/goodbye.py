"""How a command ends where the machine tells it to (SIGTERM): as by Ctrl-C, with what was seen
kept."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import NoReturn


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


def listen() -> None:
    """From now on SIGTERM raises :class:`Terminated` in the main thread; a second one ends
    the process at once."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise Terminated


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """As shells count: 128 and the number of the signal."""
    ended_by = signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT
    return 128 + ended_by
