"""Which line of the evidence bears what a model says by itself, if one does.

A model that writes freely can invent. What it says is passed on only where every word that counts
stands in one line that was seen or heard, and at the time it names, where it names one.
"""

from __future__ import annotations

import re

from models.reasoning.prompt import clock
from models.reasoning.reasoner import Evidence, Line
from models.text.words import content, stems

_TIME = re.compile(r",?\s*(?:at )?\b((?:\d+:)?\d+:\d\d)\.?$")


def told(answer: str) -> tuple[str, str]:
    """An answer without the time at its end, and that time as the model writes it, or ``""``."""
    found = _TIME.search(answer)
    return (answer[: found.start()].strip(), found[1]) if found else (answer.strip(), "")


def bearer(answer: str, evidence: Evidence) -> Line | None:
    """The line that holds all words of ``answer`` that count: of several the one at its time, or
    the latest; None where there is none, or the answer says nothing."""
    said, time = told(answer)
    wanted = frozenset(content(said))
    if not wanted:
        return None
    bearing = [
        (clock(passage.start) == time, line.start, line)
        for passage in evidence.passages
        for line in passage.lines
        if line.certain and line.kind != "note" and wanted <= frozenset(stems(line.text))
    ]
    if not bearing:
        return None
    timely, _, line = max(bearing, key=lambda each: each[:2])
    return line if timely or not time else None
