"""Two reasoners: one on a server, and one here that answers while the server does not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from models.reasoning.reasoner import (
    Counts,
    Evidence,
    Passage,
    Reasoner,
    ReasonerError,
    Reply,
)
from models.reasoning.remote.reasoner import RemoteReasoner

log = logging.getLogger("onlooker.remote")


class WithFallback:
    """See :class:`models.reasoning.reasoner.Reasoner`. Both watch all the time, so that either
    can answer at any moment. An answer that has begun on the server is not begun again here.
    """

    def __init__(self, remote: RemoteReasoner, fallback: Reasoner) -> None:
        self._remote = remote
        self._fallback = fallback

    @property
    def name(self) -> str:
        if self._remote.down:
            return f"{self._fallback.name}, while {self._remote.name} is away"
        return self._remote.name

    @property
    def context_tokens(self) -> tuple[int, int]:
        return self._remote.context_tokens

    @property
    def takes_pictures(self) -> bool:
        return self._remote.takes_pictures or self._fallback.takes_pictures

    def see(self, image: NDArray[np.uint8], time: float) -> None:
        self._remote.see(image, time)
        self._fallback.see(image, time)

    def watch(self, passage: Passage) -> None:
        self._remote.watch(passage)
        self._fallback.watch(passage)

    def answer(
        self,
        question: str,
        evidence: Evidence,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Reply:
        """An answer made here begins with a sentence that says so."""

        def speak() -> Iterator[str]:
            begun = False
            first = self._remote.answer(question, evidence, cancelled)
            try:
                for piece in first:
                    begun = True
                    yield piece
                _take_over(reply, first)
                return
            except ReasonerError as error:
                if begun:
                    raise
                self._told(error)
            yield f"({self._remote.name} does not answer; {self._fallback.name} does.) "
            second = self._fallback.answer(question, evidence, cancelled)
            try:
                yield from second
            finally:
                _take_over(reply, second)

        reply = Reply(speak())
        return reply

    def choose(
        self, question: str, options: Sequence[str], evidence: Evidence
    ) -> tuple[list[float], Counts]:
        """That the choice was made here stands in the log, and in :attr:`name`."""
        try:
            return self._remote.choose(question, options, evidence)
        except ReasonerError as error:
            self._told(error)
        return self._fallback.choose(question, options, evidence)

    def note(self, passage: Passage) -> str:
        try:
            line = self._remote.note(passage)
        except ReasonerError as error:
            self._told(error)
            line = ""
        return line or self._fallback.note(passage)

    def idle(self) -> bool:
        return self._fallback.idle()

    def _told(self, error: ReasonerError) -> None:
        log.warning("%s; %s answers", error, self._fallback.name)


def _take_over(reply: Reply, made: Reply) -> None:
    for each in fields(Counts):
        setattr(reply.counts, each.name, getattr(made.counts, each.name))
    reply.support = made.support
    reply.generating = made.generating
