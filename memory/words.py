"""The words of a question that matter."""

from __future__ import annotations

import re
import unicodedata

_STOP_WORDS = (
    "a about all also am an and any anybody anyone anything are as at be been being but by can "
    "could did do does doing done for from get got had happen happened happening happens has have "
    "he hear heard her here him his how i if in into is it its just me mention mentioned much my "
    "of on or our please said saw say saying says see seen shall she should show showed shown so "
    "some someone something tell than that the their them then there these they thing things this "
    "those to told us was we were what whats when where which while who whom whose why will with "
    "would you your"
)
_STOP = frozenset(_STOP_WORDS.split())


def terms(question: str) -> list[str]:
    """The words of a question that can tell segments apart, in order, each once."""
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", question).lower())
    return list(dict.fromkeys(w for w in words if w not in _STOP and (len(w) > 1 or w.isdigit())))
