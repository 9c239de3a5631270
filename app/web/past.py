"""The source of a session that is only asked about: nothing more comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from models.media import Media
from pipeline.sources.source import Properties


class Past:
    """Ends at once. A source itself.

    Args:
        name: for people.
        end: stream time in seconds up to which it had been watched.
        remark: why nothing more comes of it, where that is not the visitor's wish.
    """

    def __init__(self, name: str, end: float, remark: str = "") -> None:
        self._properties = Properties(
            name,
            end,
            live=False,
            width=0,
            height=0,
            frame_rate=0.0,
            has_video=False,
            has_audio=False,
            remarks=(remark,) if remark else (),
        )

    @property
    def properties(self) -> Properties:
        return self._properties

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Media]:
        return iter(())

    def close(self) -> None:
        pass
