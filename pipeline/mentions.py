"""Kinds of things that can be said or written: a price, a number, a date, a name.

"Tell me when a price is mentioned" names no word that will be said; what is said then has a
form by which it is known. English alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNITS = (
    "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen"
    "|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred"
    "|thousand|million|billion"
)
# "One" alone is mostly no number: "the last one", "no one".
_AMOUNT = rf"(?:\d[\d.,]*|(?:(?:one|a|{_UNITS})[\s-]+)*(?:one|a|an|{_UNITS}))"
_CURRENCY = (
    r"(?:dollars?|cents?|euros?|pounds?|pence|bucks|francs?|yen|yuan|rupees?|kroner|usd|eur)"
)
_MONTH = "(?:january|february|march|april|may|june|july|august|september|october|november|december)"
_DAY = "(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
_YEAR = (
    r"(?:(?:1[5-9]|20)\d\d|(?:seventeen|eighteen|nineteen|twenty)[\s-]+"
    r"(?:hundred|oh[\s-]\w+|ten|eleven|twelve|\w+teen|(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
    r"(?:[\s-]\w+)?))"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """``asked`` finds the kind's name in a condition, ``said`` a thing of that kind in a line."""

    asked: re.Pattern[str]
    said: re.Pattern[str]


def _kind(asked: str, said: str, cased: bool = False) -> Kind:
    return Kind(re.compile(rf"\b(?:{asked})\b", re.I), re.compile(said, 0 if cased else re.I))


KINDS = (
    _kind(
        "prices?|costs?|sums? of money|amounts? of money|money",
        rf"[$€£¥]\s?\d|\d\s?[$€£¥]|\b{_AMOUNT}[\s-]+{_CURRENCY}\b",
    ),
    _kind(r"(?:tele)?phone numbers?", r"(?:\+|\b)\d(?:[\s().-]{0,2}\d){6,}"),
    _kind(r"e-?mail address(?:es)?", r"\b[\w.+-]+(?:@| at )[\w-]+(?:\.| dot )\w+"),
    _kind(r"percentages?|per ?cent", rf"\d\s?%|\b{_AMOUNT}[\s-]+per ?cent\b"),
    _kind("temperatures?", rf"°|\b{_AMOUNT}[\s-]+degrees?\b|\b\d+\s?[CF]\b"),
    _kind("years?", rf"\b{_YEAR}\b"),
    _kind(
        "dates?",
        rf"\b{_MONTH}\s+(?:the\s+)?\d|\b\d{{1,2}}(?:st|nd|rd|th)?(?:\s+of)?\s+{_MONTH}\b"
        rf"|\b{_MONTH}\s+(?:{_YEAR}|\w+th\b|first\b|second\b|third\b)"
        rf"|\bthe\s+\w*(?:th|first|second|third)\s+of\s+{_MONTH}\b|\b\d{{1,4}}[./-]\d{{1,2}}[./-]\d{{1,4}}\b",
    ),
    _kind("days? of the week|weekdays?", rf"\b{_DAY}\b"),
    _kind(
        r"(?:the|a) (?:time|hour)(?= (?:is|of day)\b)|clock times?",
        rf"\b\d{{1,2}}:\d\d\b|\b(?:{_AMOUNT}|noon|midnight)\s+o'?clock\b|\b\d{{1,2}}\s?[ap]\.?m\b"
        r"|\b(?:half|quarter) (?:past|to)\b|\b(?:noon|midnight)\b",
    ),
    _kind(
        r"numbers?(?! of\b)|digits?",
        rf"\d|\b(?:{_UNITS}|number one)\b",
    ),
    _kind(
        r"(?:(?:some(?:body|one)|person)'s|people's|an?|any|their) names?(?= (?:is|are)\b)"
        r"|(?<=says )(?:a|his|her|their) name",
        r"\b(?:[Cc]alled|[Nn]amed|name is|name's|I am|I'm|Mr\.?|Mrs\.?|Ms\.?|Dr\.?)\s+[A-Z][a-z]+"
        r"|(?<=[a-z,] )[A-Z][a-z]+ [A-Z][a-z]+",
        cased=True,
    ),
    _kind(r"asks (?:a |some )?questions?|questions? (?:is|are) asked", r"\?"),
)  # fmt: skip


def mentioned(condition: str) -> tuple[Kind, str] | None:
    """The kind of thing that ``condition`` waits for, and the condition without its name; None
    where it names none."""
    for kind in KINDS:
        found = kind.asked.search(condition)
        if found is not None:
            return kind, f"{condition[: found.start()]} {condition[found.end() :]}"
    return None
