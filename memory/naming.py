"""Which of several sources a question names: "what was said at the door?"."""

from __future__ import annotations

import re
from collections.abc import Sequence

_BEFORE = r"(?:\b(?:at|on|in|by|from|near|of|to)\s+)?(?:\b(?:the|our|my)\s+)?"
_KINDS = "cameras?|cams?|microphones?|mics?|streams?|sources?|feeds?|clips?|videos?"
_AFTER = rf"(?:[\s-]+(?:{_KINDS})\b)?"


def named(question: str, sources: Sequence[str]) -> tuple[str, frozenset[str]]:
    """The question without the words that name a source, and the sources named; none, and the
    question as it was, where there is one source or the question names none or every one.
    """
    wanted, rest = set(), question
    for source in sources if len(sources) > 1 else ():
        words = r"[\s_.-]+".join(re.escape(word) for word in re.findall(r"[^\W_]+", source))
        if not words:
            continue
        pattern = re.compile(rf"{_BEFORE}\b{words}\b{_AFTER}", re.IGNORECASE)
        if pattern.search(question):
            wanted.add(source)
            rest = pattern.sub(" ", rest)
    if not wanted or len(wanted) == len(sources):
        return question, frozenset()
    return " ".join(rest.split()), frozenset(wanted)
