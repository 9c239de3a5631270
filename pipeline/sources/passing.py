"""A source that passes another's media on, for those that look at it or change some of it."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from models.media import Media
from pipeline.sources.source import Properties, Source


class Passing:
    """Passes ``source`` on as it is; it is not yet entered, and this one enters and leaves it."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def properties(self) -> Properties:
        return self._source.properties

    def __enter__(self) -> Self:
        self._source.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._source.__exit__(kind, error, trace)

    def __iter__(self) -> Iterator[Media]:
        return iter(self._source)

    def close(self) -> None:
        self._source.close()
