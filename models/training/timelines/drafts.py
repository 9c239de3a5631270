"""A question on its way: its answer, what else might be chosen, and how it is put."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from models.reasoning.prompt import NOT_SEEN
from models.training.scenes import Asked
from models.training.timelines.story import Story

YES_NO = ("yes", "no")
CHOSEN = 0.54
"""Share of questions with options, where the kind allows both."""


@dataclass(slots=True)
class Draft:
    """A question on its way.

    Attributes:
        said: the answer in the words of the timeline; shown: as one of the options.
        wrong: other options, the best first; more than are taken.
        places: passages that hold the answer.
        timed: whether the free answer says when.
        fixed: options that are taken as they are, in any order; empty for other questions.
    """

    kind: str
    text: str
    said: str
    shown: str
    wrong: Sequence[str]
    places: Sequence[int]
    timed: bool = True
    fixed: tuple[str, ...] = ()
    chosen: bool | None = None


Maker = Callable[[Story], Draft | None]
"""Makes a question about a story, or None where that has nothing for it."""


def finished(story: Story, draft: Draft) -> Asked:
    """With options or without, and with the time where it belongs."""
    chance = story.chance
    choosing = chance.random() < CHOSEN if draft.chosen is None else draft.chosen
    if not choosing:
        answer = draft.said
        if draft.timed and draft.places:
            answer = f"{answer}, at {story.time(min(draft.places))}"
        return Asked(draft.kind, draft.text, answer, ())
    if draft.fixed:
        options = list(draft.fixed)
    else:
        most = chance.choice((2, 3, 4, 4, 4, 5))
        others = {one.lower(): one for one in reversed(draft.wrong)}
        others.pop(draft.shown.lower(), None)
        wrong = list(reversed(others.values()))[: most - 1]
        offered = 0.4 if story.side == "trained" else 0.22  # the engine offers it always
        if draft.shown != NOT_SEEN and chance.random() < offered:
            wrong[-1:] = [NOT_SEEN]
        options = [draft.shown, *wrong]
    chance.shuffle(options)
    answer = draft.shown
    if not draft.fixed:
        styled = _style(chance)
        options, answer = [styled(one) for one in options], styled(answer)
    return Asked(draft.kind, draft.text, answer, tuple(options))


def _style(chance: Random) -> Callable[[str], str]:
    """How all options of a question are written; "not seen" stays what it is."""
    how = chance.random()
    if how < 0.5:
        return lambda text: text
    end = "." if how < 0.75 else ""
    return lambda text: text if text == NOT_SEEN else text[:1].upper() + text[1:] + end


def mixed(story: Story, present: Sequence[str], absent: Sequence[str]) -> list[str]:
    """Wrong options: most of them occur in the timeline."""
    chance = story.chance
    there, elsewhere = list(dict.fromkeys(present)), list(dict.fromkeys(absent))
    chance.shuffle(there)
    chance.shuffle(elsewhere)
    mixed = []
    while there or elsewhere:
        from_there = there and (not elsewhere or chance.random() < 0.75)
        mixed.append(there.pop() if from_there else elsewhere.pop())
    return mixed


def decided(
    story: Story,
    kind: str,
    text: str,
    so: bool,
    places: Sequence[int],
    ways: tuple[str, str] = YES_NO,
) -> Draft:
    """A question with two answers."""
    answer = ways[0] if so else ways[1]
    other = ways[1] if so else ways[0]
    return Draft(kind, text, answer, answer, [other], places, timed=so, fixed=ways)


def times(story: Story, right: int) -> list[str]:
    """Times of other passages."""
    others = [story.time(place) for place in range(len(story.lines)) if place != right]
    story.chance.shuffle(others)
    return others[:6]


def when(story: Story, key: str, place: int, **gaps: str) -> Draft:
    """A question for the time of the passage at ``place``."""
    time = story.time(place)
    said = f"at {time}"
    wrong = [f"at {other}" for other in times(story, place)]
    return Draft("when", story.wording(key, **gaps), said, said, wrong, [place], timed=False)
