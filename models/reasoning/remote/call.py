"""Waits for a server without a thread, and can be broken off at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from models.reasoning.remote.slots import POLL, Cancelled

PATIENCE = 2.0
"""Seconds that closing a connection may take."""

Result = TypeVar("Result")


class Call:
    """An event loop for one request, run on the thread of whoever asks.

    A blocking read could be ended only from another thread; here the wait itself looks every
    :data:`POLL` seconds whether the answer is still wanted.
    """

    def __init__(self, cancelled: Callable[[], bool] = lambda: False) -> None:
        self._cancelled = cancelled
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.close()

    def wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What ``work`` gives.

        Raises:
            Cancelled: it was not wanted any longer; ``work`` was cancelled.
        """
        return self._runner.run(self._watched(work))

    def end(self, work: Coroutine[Any, Any, None]) -> None:
        """Let ``work`` close what is open, wanted or not, in at most :data:`PATIENCE` s."""

        async def bounded() -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await work

        self._runner.run(bounded())

    async def _watched(self, work: Coroutine[Any, Any, Result]) -> Result:
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=POLL)
                if not task.done() and self._cancelled():
                    raise Cancelled
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
