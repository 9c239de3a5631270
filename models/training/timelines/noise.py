"""What goes wrong between the world and a timeline: mishearing, misreading, wrong labels."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from models.training.timelines.values import listed

_HEARD_AS = {
    "there": "their", "their": "there", "your": "you're", "it's": "its", "here": "hear",
    "hear": "here", "right": "write", "two": "to", "to": "too", "for": "four", "no": "know",
    "know": "no", "one": "won", "four": "for", "by": "buy", "our": "are", "are": "our",
    "then": "than", "because": "cause", "going": "gonna", "will": "well", "and": "an",
    "this": "the", "see": "sea", "where": "wear", "week": "weak", "whole": "hole", "new": "knew",
    "is": "as", "that": "at", "goes": "go", "costs": "cost", "comes": "come", "keeps": "keep",
}  # fmt: skip
_READ_AS = {"o": "0", "O": "0", "l": "1", "I": "l", "S": "5", "B": "8", "E": "F", "rn": "m"}

WRONG_LABELS = (
    *listed(
        "stage panpipe coil projectile jellyfish balloon spotlight shield mask screen oboe maypole "
        "fountain torch hook ladle umbrella bell syringe envelope doormat honeycomb chain "
        "stethoscope quill harp sundial thimble matchstick nematode hourglass barometer parachute "
        "animal missile container food vehicle"
    ),
    *("musical instrument", "woodwind instrument", "shower curtain", "spider web", "hair slide"),
    *("digital clock", "comic book", "horizontal bar", "traffic light"),
)
"""What a classifier calls a picture it does not understand."""

LOOKED = listed("black grey brown white blue green orange red yellow pink purple")
"""Colours that a look at a picture may name."""


def unmarked(text: str) -> str:
    """``text`` without capitals and punctuation, as some recognisers write."""
    return " ".join(word.rstrip(".,!?;:") for word in text.lower().split())


def spoken(pieces: Sequence[tuple[str, bool]], chance: Random, raw: bool, errors: float) -> str:
    """What a recogniser makes of a sentence.

    Args:
        pieces: of the sentence, each with whether it is heard rightly for sure.
        raw: whether capitals and punctuation are missing.
        errors: chance that a piece is misheard.
    """
    parts = [
        text if sure or chance.random() >= errors else _misheard(text, chance)
        for text, sure in pieces
    ]
    whole = " ".join("".join(parts).split())
    return unmarked(whole) if raw else whole[:1].upper() + whole[1:]


def _misheard(text: str, chance: Random) -> str:
    found = text.split(" ")
    place = chance.randrange(len(found))
    word = found[place]
    how = chance.random()
    if word.lower() in _HEARD_AS:
        found[place] = _HEARD_AS[word.lower()]
    elif how < 0.3 and len(word) > 6:
        cut = chance.randint(3, len(word) - 3)
        found[place] = f"{word[:cut]} {word[cut:]}"
    elif how < 0.6 and word and len(word) < 6:
        found[place] = ""
    elif how < 0.8 and word:
        found[place] = f"{word} {word}"
    return " ".join(found)


def written(pieces: Sequence[tuple[str, bool]], chance: Random, upper: bool, errors: float) -> str:
    """What a text reader makes of a sign; arguments as of :func:`spoken`."""
    parts = []
    for text, sure in pieces:
        part = text.upper() if upper else text
        if not sure and chance.random() < errors:
            part = _misread(part, chance)
        parts.append(part)
    return " ".join("".join(parts).split())


def _misread(text: str, chance: Random) -> str:
    words = text.strip()
    if " " in words and chance.random() < 0.4:
        return text.replace(words, words.replace(" ", "", 1))
    for right, wrong in _READ_AS.items():
        if right in words and chance.random() < 0.5:
            return text.replace(right, wrong, 1)
    return text


def look(chance: Random) -> str:
    """Cheap facts about a picture, without a thing that moves."""
    facts = []
    if chance.random() < 0.12:
        facts.append(chance.choice(("1 face", "2 faces")))
    if chance.random() < 0.3:
        facts.append("much motion")
    facts.append("colours " + ", ".join(chance.sample(LOOKED[:7], chance.choice((1, 2, 2)))))
    return "; ".join(facts)
