"""What was looked at, in what order, and what was in view meanwhile: plain records."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

BRIDGED = 1.5
"""Seconds between two looks at the same thing that are one stay, where what lies between has
no name."""

SAME = 0.6
"""Likeness of two names, in [0, 1], from which they mean the same thing."""

Alike = Callable[[str, str], float]
"""How alike two names of things are, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class LookedAt:
    """One fixation, or a stay of several on the same thing.

    Attributes:
        start, end: stream seconds.
        names: what lay there, best first; empty where perception could not tell.
        texts: what was read there.
        certain: False where the names are guesses.
        attributes: what else was perceived there: colours.
    """

    start: float
    end: float
    names: tuple[str, ...] = ()
    certain: bool = True
    attributes: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def called(self) -> tuple[str, ...]:
        """Its names, and the texts that can stand for one; what was read before a guess."""
        return (*self.names, *self.texts) if self.certain else (*self.texts, *self.names)

    @property
    def known(self) -> bool:
        """Whether the first of :attr:`called` may be told as a fact."""
        return self.certain or bool(self.texts)


@dataclass(frozen=True, slots=True)
class InView:
    """Something that the picture showed at stream ``time``, looked at or not."""

    time: float
    name: str


def words(name: str) -> list[str]:
    """The words of a name, lower case, singular, without articles."""
    found = re.findall(r"[^\W_]+", name.lower())
    return [_singular(w) for w in found if w not in {"a", "an", "the", "some", "of", "my", "his"}]


def alike(a: str, b: str) -> float:
    """Likeness of two names by their words: 1 for the same thing, plain or qualified ("cup",
    "coffee cup"); less where only some words agree; 0 where none do."""
    left, right = words(a), words(b)
    if not left or not right:
        return 0.0
    both = set(left) & set(right)
    if not both:
        return 0.0
    contained = both == set(left) or both == set(right)
    if contained and left[-1] == right[-1]:
        return 1.0
    return 0.5 if contained else 0.4 * len(both) / len(set(left) | set(right))


def likeness(look: LookedAt, name: str, compare: Alike = alike) -> float:
    """How likely a look was at the thing of that name."""
    named = max((compare(each, name) for each in look.names), default=0.0)
    read = max((compare(each, name) for each in look.texts), default=0.0)
    return max(named if look.certain else 0.7 * named, read)


@dataclass(frozen=True, slots=True)
class History:
    """A stream as far as it was known at one moment.

    Attributes:
        looks: fixations, in time order.
        views: what was in view, in time order.
    """

    looks: tuple[LookedAt, ...]
    views: tuple[InView, ...] = ()

    def stays(self) -> tuple[LookedAt, ...]:
        """Looks at something that has a name or a text, those in a row at the same joined."""
        stays: list[LookedAt] = []
        for look in self.looks:
            if not look.called:
                continue
            last = stays[-1] if stays else None
            goes_on = last is not None and look.start <= last.end  # a piece of one fixation
            if last is not None and (
                goes_on or (_same(last, look) and look.start - last.end <= BRIDGED)
            ):
                stays[-1] = _joined(last, look)
            else:
                stays.append(look)
        return tuple(stays)

    def in_view(self, start: float, end: float) -> tuple[str, ...]:
        """What was in view from ``start`` to ``end``, each once."""
        return tuple(dict.fromkeys(v.name for v in self.views if start <= v.time <= end))

    def never_looked_at(self, compare: Alike = alike) -> tuple[str, ...]:
        """What was in view and not looked at, each once, in order of appearance."""
        stays = self.stays()
        return tuple(
            name
            for name in dict.fromkeys(view.name for view in self.views)
            if not any(likeness(stay, name, compare) >= SAME for stay in stays)
        )

    def as_of(self, time: float) -> History:
        """What of it was known at stream ``time``: a look counts once it has ended."""
        return History(
            tuple(look for look in self.looks if look.end <= time),
            tuple(view for view in self.views if view.time <= time),
        )


def _same(a: LookedAt, b: LookedAt) -> bool:
    return any(alike(x, y) >= SAME for x in a.called for y in b.called)


def _joined(a: LookedAt, b: LookedAt) -> LookedAt:
    # What both were called is the likelier name.
    names = [x for x in a.names if any(alike(x, y) >= SAME for y in b.names)]
    return LookedAt(
        a.start,
        max(a.end, b.end),
        tuple(dict.fromkeys([*names, *a.names, *b.names])),
        a.certain or b.certain,
        tuple(dict.fromkeys([*a.attributes, *b.attributes])),
        tuple(dict.fromkeys([*a.texts, *b.texts])),
    )


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
