"""Domains: what is in a made-up world, what is said there, and what can be asked about it.

A domain is written as text (``worlds/*.txt``), a line for each thing it has::

    # name | what a recording of it is about
    things: kettle, pan, ...            what can be seen there
    dish: onion soup, ...               a list of its own; any name
    = kind | said / said | asked / asked | answer | yes-no question | about
    @ kind | written | asked | answer | yes-no question | about
    ! said / said | Has it happened yet? | the doing of it
    ~ said / said | asked now / asked now | asked before | still? | gap
    - gap | asked                       asked, but never told
    shout: Order up!, ...               said again and again
    chat: ...                           says nothing; one a line

``{gap}`` is filled with a value: from a list of the domain's own, or of
:data:`models.training.timelines.values.MAKERS`. In a fact (``=`` spoken, ``@`` on the screen) the
gaps of the question tell facts of one kind apart; those of the answer are what is asked for.
``about`` is how one speaks of the fact without its answer. ``~`` is a state that changes, and
``gap`` the one that holds it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

Template = tuple[tuple[str, bool], ...]
"""Pieces of text, each with whether it names a gap."""

_HERE = Path(__file__).parent / "worlds"


@dataclass(frozen=True, slots=True)
class Fact:
    """A kind of fact; the templates of one sort are wordings of the same."""

    kind: str
    written: bool
    said: tuple[Template, ...]
    asked: tuple[Template, ...]
    answer: Template
    yes_no: tuple[Template, ...]
    about: Template
    subject: tuple[str, ...]
    """Gaps that its question names."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens, told as it does."""

    said: tuple[Template, ...]
    yet: tuple[Template, ...]
    doing: Template


@dataclass(frozen=True, slots=True)
class State:
    """Something that is one way now and another way later."""

    said: tuple[Template, ...]
    now: tuple[Template, ...]
    before: tuple[Template, ...]
    still: tuple[Template, ...]
    gap: str
    subject: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Untold:
    """A question that nothing in the domain answers; ``gap`` is what an answer would be."""

    gap: str
    asked: tuple[Template, ...]
    subject: tuple[str, ...]


@dataclass(slots=True)
class Domain:
    """See the module's docstring."""

    name: str
    topic: str
    own: dict[str, tuple[str, ...]] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    untold: list[Untold] = field(default_factory=list)
    chat: list[str] = field(default_factory=list)


def template(text: str) -> Template:
    """``text`` cut at its gaps."""
    pieces = re.split(r"\{(\w+)\}", text.strip())
    return tuple((piece, place % 2 == 1) for place, piece in enumerate(pieces) if piece)


def gaps(made: Template) -> tuple[str, ...]:
    """Names of its gaps."""
    return tuple(piece for piece, gap in made if gap)


def _wordings(text: str) -> tuple[Template, ...]:
    return tuple(template(part) for part in text.split(" / ") if part.strip())


@cache
def domains(side: str) -> dict[str, Domain]:
    """By name: those of ``side``, which is ``"trained"`` or ``"held_out"``.

    Raises:
        ValueError: a line of the text cannot be read.
    """
    found: dict[str, Domain] = {}
    domain: Domain | None = None
    for path in sorted(_HERE.glob(f"{side}*.txt")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip():
                continue
            if line.startswith("# "):
                name, _, topic = line[2:].partition(" | ")
                domain = found[name] = Domain(name, topic)
                continue
            try:
                assert domain is not None
                _read(domain, line)
            except (AssertionError, ValueError) as error:
                raise ValueError(f"{path.name}, line {number}: {line!r}: {error}") from error
    return found


def _read(domain: Domain, line: str) -> None:
    sign, _, rest = line.partition(" ")
    parts = [part.strip() for part in rest.split(" | ")]
    if sign in ("=", "@"):
        kind, said, asked, answer, yes_no, about = parts
        questions = _wordings(asked)
        domain.facts.append(
            Fact(
                kind,
                sign == "@",
                _wordings(said),
                questions,
                template(answer),
                _wordings(yes_no),
                template(about),
                gaps(questions[0]),
            )
        )
    elif sign == "!":
        said, yet, doing = parts
        domain.events.append(Event(_wordings(said), _wordings(yet), template(doing)))
    elif sign == "~":
        said, now, before, still, gap = parts
        subject = gaps(_wordings(now)[0])
        domain.states.append(
            State(
                _wordings(said), _wordings(now), _wordings(before), _wordings(still), gap, subject
            )
        )
    elif sign == "-":
        gap, asked = parts
        domain.untold.append(Untold(gap, _wordings(asked), gaps(_wordings(asked)[0])))
    elif sign == "chat:":
        domain.chat.append(rest.strip())
    elif sign.endswith(":"):
        domain.own[sign[:-1]] = tuple(item.strip() for item in rest.split(","))
    else:
        raise ValueError("it begins with none of the known signs")
