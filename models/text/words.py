"""Words of English text, as far as grounding an answer needs them: stems, content, sentences."""

from __future__ import annotations

import re
import unicodedata

_FUNCTION = (
    "a about above after again all also am an and any are as at be because been before being "
    "between both but by can could did do does doing done down during each few for from get "
    "gets give given gives go goes going got had has have having he her here hers him his how "
    "i if in into is it its just let like made make makes many may me might more most much my "
    "no not now of off on once one only onto or other our out over own please said same say "
    "says she should so some something somebody someone such tell than that the their them "
    "then there these they thing things this those through to told too under until up us very "
    "was we were what when where whether which while who whom whose why will with would you "
    "your yours"
)
_FUNCTION_WORDS = frozenset(_FUNCTION.split())

_WATCHING = (
    "accord according camera caption clip currently display displayed ever film happen happens "
    "happened happening hear hears heard image kind mention mentioned mentions moment narrator "
    "narration picture present read right screen see seen saw show shown shows speak speaker "
    "speaks spoke spoken stream talk talks text video view visible voice watch written write "
    "writes far summarise summarize summary describe"
)
_OF_WATCHING = frozenset(_WATCHING.split())
"""Words of questions about any stream: they say where to look, not what for."""

_NUMBERS = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6",
    "seven": "7", "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12",
}  # fmt: skip

_NEGATING = "not no never neither nor none nobody nothing cannot without"
_NEGATIONS = frozenset(_NEGATING.split())


def words(text: str) -> list[str]:
    """Lower-case words and numbers of ``text``, in order."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("’", "'").replace("n't", " not")
    return [w.strip("'").removesuffix("'s") for w in re.findall(r"[^\W_]+(?:'[a-z]+)?", plain)]


def stem(word: str) -> str:
    """``word`` without its commonest endings; small numbers as digits."""
    if word in _NUMBERS:
        return _NUMBERS[word]
    for ending, least in (("ies", 5), ("ing", 6), ("ed", 5), ("es", 5), ("s", 4), ("ly", 5)):
        if word.endswith(ending) and len(word) >= least and not word.endswith("ss"):
            word = word.removesuffix(ending) + ("y" if ending == "ies" else "")
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]  # stopped -> stop
    return word.removesuffix("e") if len(word) > 3 else word


def stems(text: str) -> list[str]:
    """The stems of all words, in order."""
    return [stem(word) for word in words(text)]


def content(text: str) -> list[str]:
    """Stems of the words that say what a text is about, each once, in order."""
    kept = [w for w in words(text) if w not in _FUNCTION_WORDS and w not in _OF_WATCHING]
    return list(dict.fromkeys(stem(w) for w in kept))


def negated(text: str) -> bool:
    """Whether ``text`` holds a word of negation."""
    return any(word in _NEGATIONS for word in words(text))


def sentences(text: str) -> list[str]:
    """``text`` cut after each full stop, question mark or exclamation mark."""
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+(?=\S)", text.strip()) if part.strip()]
