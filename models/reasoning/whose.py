"""Questions about which of several sources saw or heard something."""

from __future__ import annotations

import re
from collections.abc import Sequence

from models.reasoning.grounding import Embed, Grounds, Sentence, answering, holds
from models.reasoning.reasoner import Evidence

_ASKED = re.compile(
    r"^\W*(?:and\s+|so\s+)?(?:(?:at|on|in|from|by|to)\s+)?(?:which|what)\s+(?:one\s+)?"
    r"(?:of\s+(?:the|these|those|my|our|your)\s+)?(?:\w+\s+)?"
    r"(?:cameras?|cams?|microphones?|mics?|sources?|streams?|feeds?|videos?|clips?|files?"
    r"|recordings?)\b",
    re.IGNORECASE,
)
HOLDS = 0.45
"""Chance from which an unsure sentence is worth a "perhaps"."""


def about_what(question: str) -> str | None:
    """What a question such as "which camera saw the dog?" asks for the source of ("saw the
    dog?"); None for any other question."""
    match = _ASKED.match(question)
    return None if match is None else question[match.end() :].strip() or None


def saw(grounds: Grounds, evidence: Evidence, embed: Embed) -> tuple[list[Sentence], bool]:
    """A sentence of each source that saw or heard what the question is about, the best first;
    and whether that is sure."""
    found = [s for s in answering(grounds, embed) if s.line.source]
    if not found:
        chance, sentence = holds(grounds, evidence)
        unsure = sentence is not None and chance >= HOLDS and sentence.line.source
        return [sentence] if unsure and sentence is not None else [], False
    # What holds fewer of the question's words than another is about something else.
    best: dict[str, Sentence] = {}
    for sentence in found:
        if sentence.overlap >= found[0].overlap:
            best.setdefault(sentence.line.source, sentence)
    return list(best.values()), True


def shares(grounds: Grounds, options: Sequence[str]) -> list[float] | None:
    """How well the evidence supports each source as the one that saw it, about [0, 2.5]; None
    where an option is no name of a source."""
    sources = {s.line.source.casefold() for s in grounds.sentences} - {""}
    wanted = [option.strip().casefold() for option in options]
    if not wanted or not set(wanted) & sources:
        return None
    best = dict.fromkeys(wanted, 0.0)
    for sentence in grounds.sentences:
        name = sentence.line.source.casefold()
        if name in best:
            best[name] = max(best[name], sentence.relevance + sentence.overlap)
    return [best[name] for name in wanted]
