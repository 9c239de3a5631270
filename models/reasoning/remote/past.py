"""What a stream's prompts all begin with: the past, append-only.

A server reads again only what it has not read before, and it knows what it has by the bytes
from the beginning on. So a passage's message is written once and stays as it is, and questions
come after all of them. A full context is consolidated in one big step, half of it at a time,
because each such step makes the server read all that is left again.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from models.reasoning.reasoner import Span
from models.reasoning.remote.parts import FAST, Medium

BYTES_A_TOKEN = 3.5
"""Of English text, on the safe side. The server's own count puts it right."""

TURN = 8
"""Tokens that a template puts around a message."""

UNKNOWN_PICTURE = 256
"""Tokens taken for a picture before the server has said how many it makes."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """What things cost in tokens.

    Attributes:
        picture: a picture of :data:`FAST` pixels; 0 where none is sent.
        second: a second of sound; 0 where none is sent.
        scale: by how much the server's count was more than the estimate.
    """

    picture: int = UNKNOWN_PICTURE
    second: int = 0
    scale: float = 1.0

    def text(self, text: str) -> int:
        return round(self.scale * len(text.encode()) / BYTES_A_TOKEN)

    def medium(self, medium: Medium) -> int:
        if medium.kind == "sound":
            return round(self.scale * self.second * medium.size)
        # Some models make as many of a small picture.
        return round(self.scale * self.picture * max(1.0, medium.size / (FAST[0] * FAST[1])))

    def corrected(self, ratio: float) -> Tariff:
        """After a prompt of which the server counted ``ratio`` times the estimate."""
        return replace(self, scale=min(4.0, max(0.25, self.scale * ratio)))


@dataclass(frozen=True, slots=True)
class Block:
    """One passage in the past.

    Attributes:
        span: of the passage.
        known_at: stream time from which it may be used.
        heading, told: its words, before and after the pictures.
        pictures: small ones; none once it has been shortened.
        brief: the words that stand for it when it is old.
    """

    span: Span
    known_at: float
    heading: str
    told: str
    pictures: tuple[Medium, ...]
    brief: str

    def cost(self, tariff: Tariff) -> int:
        words = tariff.text(self.heading) + tariff.text(self.told)
        return TURN + words + sum(tariff.medium(each) for each in self.pictures)

    def shortened(self) -> Block:
        return replace(self, told=self.brief, pictures=())


class Past:
    """A stream's blocks. One thread appends; any may look meanwhile.

    Args:
        budget: most tokens of it all.
        full_at, shrink_to: shares of the budget at which it is consolidated, and that are
            left then.
    """

    def __init__(self, budget: int, full_at: float = 0.9, shrink_to: float = 0.45) -> None:
        self.budget = budget
        self.rebuilds = 0
        self.tariff = Tariff()
        self._shares = (full_at, shrink_to)
        # Swapped as one: a reader must not cut new blocks by old times.
        self._held: tuple[tuple[float, ...], tuple[Block, ...]] = ((), ())
        self._writing = threading.Lock()

    @property
    def tokens(self) -> int:
        """Estimated tokens of it all."""
        return sum(block.cost(self.tariff) for block in self._held[1])

    def append(self, block: Block) -> None:
        with self._writing:
            self._take((*self._held[1], block))

    def shorten(self, span: Span, brief: str) -> None:
        """Give a passage other words for when it is old; what stands now stays as it is."""
        with self._writing:
            known, blocks = self._held
            changed = tuple(replace(b, brief=brief) if b.span == span else b for b in blocks)
            self._held = known, changed

    def fit(self, budget: int, tariff: Tariff) -> None:
        """What the server holds and what things cost there, now that it has said so."""
        with self._writing:
            self.budget, self.tariff = budget, tariff
            self._take(self._held[1])

    def view(self, as_of: float) -> tuple[Block, ...]:
        """The blocks as of stream time ``as_of``: up to the first that was not yet known."""
        known, blocks = self._held
        return blocks[: bisect_right(known, as_of)]

    def _take(self, blocks: tuple[Block, ...]) -> None:
        full_at, shrink_to = self._shares
        if sum(block.cost(self.tariff) for block in blocks) > full_at * self.budget:
            blocks = tuple(self._consolidated(blocks, int(shrink_to * self.budget)))
            self.rebuilds += 1
        self._held = tuple(accumulate((b.known_at for b in blocks), max)), blocks

    def _consolidated(self, blocks: Sequence[Block], budget: int) -> list[Block]:
        """The newest as they are, in half of the budget or in what the others leave of it; those
        in brief, and where they are too many, every second of the older half goes, again and
        again."""
        whole = [block.cost(self.tariff) for block in blocks]
        brief = [block.shortened().cost(self.tariff) for block in blocks]
        first, newest, rest = len(blocks), 0, sum(brief)
        while first:
            newest, rest = newest + whole[first - 1], rest - brief[first - 1]
            if newest > budget // 2 and newest + rest > budget:
                newest -= whole[first - 1]
                break
            first -= 1
        old = list(range(first))
        while old and sum(brief[i] for i in old) > budget - newest:
            half = (len(old) + 1) // 2
            old = [*old[:half:2], *old[half:]] if half > 1 else old[:-1]
        return [*(blocks[i].shortened() for i in old), *blocks[first:]]
