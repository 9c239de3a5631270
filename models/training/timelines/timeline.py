"""Made-up timelines with questions: what a small language model learns to read them on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from models.reasoning.reasoner import Passage
from models.training.scenes import Asked
from models.training.timelines.domains import domains
from models.training.timelines.questions import asked
from models.training.timelines.story import passages, told

TRAINED: tuple[str, ...] = tuple(domains("trained"))
"""Names of domains to train on."""

HELD_OUT: tuple[str, ...] = tuple(domains("held_out"))
"""Names of domains to measure on: other worlds, words, names and wordings."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """A stretch of a stream in words, and questions about it.

    Attributes:
        asked: with options, or with ``()`` where the answer is free. A free answer quotes the
            timeline, mostly with the time at which its passage begins; what the timeline does
            not tell is answered by :data:`models.reasoning.prompt.NOT_SEEN`.
        grounds: for each question, indices of the passages that hold its answer; ``()`` where
            none does.
    """

    domain: str
    passages: tuple[Passage, ...]
    asked: tuple[Asked, ...]
    grounds: tuple[tuple[int, ...], ...]


def made(seed: int, names: Sequence[str] = TRAINED) -> Timeline:
    """A timeline of one of the domains ``names``, from ``seed`` alone.

    Raises:
        KeyError: there is no such domain.
    """
    chance = Random(seed)
    name = chance.choice(list(names))
    side = "trained" if name in TRAINED else "held_out"
    for _ in range(8):
        story = told(side, domains(side)[name], chance)
        questions = asked(story, chance.randint(10, 14))
        if len(questions) >= 8:
            break
    return Timeline(
        name,
        passages(story),
        tuple(question for question, _ in questions),
        tuple(grounds for _, grounds in questions),
    )
