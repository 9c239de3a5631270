"""What a reply says, by the rule each benchmark published and by a strict rule.

The published rules have holes, and published numbers were made with them, so they are applied
to the letter. The strict rule stands beside each: it takes a reply only for what it plainly says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.scoring.questions import LETTERS, Kind, Question

PUBLISHED_RULES: Mapping[str, str] = {
    "streamingbench": (
        "Choice: the first character of the reply must be the answer's letter; an empty reply is "
        "left out of the total. Proactive: the time of the last poll must lie within 2 s of the "
        "truth (a reply with 'yes' anywhere ends the polling)."
    ),
    "ovo-bench": (
        "Choice: the answer's letter must occur anywhere in the reply, in upper case. REC: all "
        "digits of the reply, joined, must equal the count. SSR, CRR: the reply must contain "
        "'Yes' or 'No', or be exactly 'Y' or 'N'. A missing reply is wrong."
    ),
    "streamgaze": (
        "Choice: the first stand-alone letter A to D of the reply in upper case (the article 'a' "
        "too). Proactive: the reply must contain the expected word ('not yes' contains 'yes'). "
        "A choice question without any prediction is left out of the total."
    ),
    "plain": "The strict rule.",
}

STRICT_RULE = (
    "A choice is the engine's own constrained choice where it has one; else the reply must name "
    "exactly one option, by its letter or by its whole text. Yes and no: the reply must begin "
    "with one and not hold the other. A count: exactly one number. Proactive: an explicit yes "
    "within 2 s of the truth, and the words asked for in the output. Empty or malformed replies "
    "and engine errors are wrong, and nothing is left out of the total but missing videos."
)

_NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
)


@dataclass(frozen=True, slots=True)
class Mark:
    """The verdict on one reply.

    ``correct`` is None where the rule leaves the reply out of the total. ``said`` is what was
    understood (a letter, "yes", a number), empty for nothing.
    """

    correct: bool | None
    said: str = ""


def malformed(reply: object) -> str:
    """Why a reply is not a usable text, or an empty string if it is one."""
    if reply is None:
        return "null"
    if not isinstance(reply, str):
        return f"a {type(reply).__name__}, not a text"
    return "" if reply.strip() else "empty"


def published_mark(question: Question, reply: object) -> Mark:
    """The mark of a reply by the benchmark's own rule. Not for proactive questions."""
    match question.benchmark:
        case "streamingbench":
            return _first_character(question, reply)
        case "ovo-bench":
            return _anywhere(question, reply)
        case "streamgaze":
            return _stand_alone(question, reply)
    return strict_mark(question, reply)


def strict_mark(question: Question, reply: object, choice: str = "") -> Mark:
    """The mark of a reply by the strict rule. Not for proactive questions.

    Args:
        question: what was asked.
        reply: the reply as it came.
        choice: the letter of a constrained choice, if the engine made one.
    """
    text = reply if isinstance(reply, str) else ""
    match question.kind:
        case Kind.CHOICE:
            said = choice or named_option(text, question.options)
        case Kind.YES_NO:
            said = yes_or_no(text)
        case Kind.COUNT:
            said = only_number(text)
            return Mark(bool(said) and said == question.answer.lstrip("0").rjust(1, "0"), said)
        case Kind.PROACTIVE:
            raise ValueError("a proactive question is marked by the time of its output")
    return Mark(said == question.answer, said)


def named_option(reply: str, options: tuple[str, ...]) -> str:
    """The letter of the only option a reply names, or an empty string.

    Without known ``options`` the letters A to E are taken for possible.
    """
    text = reply.strip()
    letters = LETTERS[: len(options) or 5]
    if found := re.match(rf"[(\[*]*([{letters}])(?:[)\].:,*]|\s|$)", text):
        # "A, B" names two; "A cup" is English, unless the cup is option A.
        others = set(re.findall(rf"\b([{letters}])(?=[).:,]|\s*$)", text)) - {found[1]}
        rest = text[found.end() :].strip(" .:)]*")
        sole = not rest or text[: found.end()].rstrip()[-1] in ")].:,*"
        if not others and (sole or _same(rest, options, found[1])):
            return found[1]
    stated = set(
        re.findall(
            rf"(?i:answer|option|choice)(?: is)?\s*[:=]?\s*[(\[*]*([{letters}])\b(?!\s+[a-z])", text
        )
    )
    if len(stated) == 1:
        return str(stated.pop())
    whole = [
        letter for letter, _ in zip(letters, options, strict=False) if _same(text, options, letter)
    ]
    return whole[0] if len(whole) == 1 else ""


def yes_or_no(reply: str) -> str:
    """``"yes"`` or ``"no"`` if a reply begins with one and holds not the other, else empty."""
    words = re.findall(r"[a-z]+", reply.lower())
    if not words or words[0] not in ("yes", "no"):
        return ""
    other = "no" if words[0] == "yes" else "yes"
    return "" if other in words else words[0]


def only_number(reply: str) -> str:
    """The only number in a reply, in digits, or an empty string."""
    found = [number.lstrip("0") or "0" for number in re.findall(r"\d+(?:\.\d+)?", reply)]
    words = re.findall(r"[a-z]+", reply.lower())
    found += [str(_NUMBERS.index(word)) for word in words if word in _NUMBERS]
    return found[0] if len(set(found)) == 1 else ""


def _same(text: str, options: tuple[str, ...], letter: str) -> bool:
    place = LETTERS.index(letter)
    return place < len(options) and _bare(text) == _bare(options[place])


def _bare(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _first_character(question: Question, reply: object) -> Mark:
    if not reply:
        return Mark(None)
    # The published scorer takes element 0 of whatever the reply is, a list too.
    first = reply[0] if isinstance(reply, str | list) else ""
    return Mark(first == question.answer, first if isinstance(first, str) else "")


def _anywhere(question: Question, reply: object) -> Mark:
    if not isinstance(reply, str):
        return Mark(False)
    match question.kind:
        case Kind.CHOICE:
            return Mark(question.answer in reply, "".join(re.findall("[A-J]", reply)))
        case Kind.COUNT:
            digits = "".join(re.findall(r"\d", reply))
            return Mark(digits == question.answer, digits)
    word = question.answer.capitalize()
    return Mark(word in reply or reply.strip() == word[0], word if word in reply else "")


def _stand_alone(question: Question, reply: object) -> Mark:
    if question.kind is Kind.YES_NO:
        text = str(reply).upper() if reply is not None else ""
        expected = question.answer.upper()
        return Mark(expected in text, expected.lower() if expected in text else "")
    if reply is None:
        return Mark(None)
    text = str(reply).strip().upper()
    found = re.search(r"\b([ABCD])\b", text)
    said = found[1] if found else text
    return Mark(said == question.answer, said if len(said) == 1 else "")
