"""Options as published (with and without letters, shuffled, torn apart) made into plain texts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.scoring.questions import LETTERS

_LETTERED = re.compile(r"\s*([A-J])\s*[.):]\s*(.*)", re.DOTALL)


def plain_options(published: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Option texts in the order of their letters, and remarks on what was mended.

    Without letters they are taken in order. With letters: a piece without one belongs to the
    option before it (some published options were torn at a comma), an empty piece is dropped,
    and options out of order are put in the order of their letters, for the answer is a letter.
    Letters that occur twice say nothing, then the position counts.

    Raises:
        ValueError: there are fewer than two options, or more than ten.
    """
    if isinstance(published, str) or not all(isinstance(option, str) for option in published):
        raise ValueError("options are not a list of texts")
    marks = [_LETTERED.fullmatch(option) for option in published]
    remarks: list[str] = []
    lettered = sum(mark is not None for mark in marks)
    if lettered < 2 or marks[0] is None:
        texts = [option.strip() for option in published]
        if marks and marks[0] is not None:
            texts[0] = marks[0][2].strip()
            remarks.append("only the first option carries a letter")
        elif lettered:
            remarks.append("some options carry a letter, the first does not: taken as they are")
    else:
        letters: list[str] = []
        texts = []
        for option, mark in zip(published, marks, strict=True):
            if mark is not None:
                letters.append(mark[1])
                texts.append(mark[2].strip())
            elif option.strip():
                texts[-1] = f"{texts[-1].rstrip()}, {option.strip()}"
        if len(texts) < len(published):
            remarks.append(f"{len(published)} pieces joined to {len(texts)} options")
        expected = list(LETTERS[: len(letters)])
        if letters != expected:
            if sorted(letters) == expected:
                texts = [texts[letters.index(letter)] for letter in expected]
                remarks.append(f"options came in the order {''.join(letters)}")
            else:
                remarks.append(f"options lettered {''.join(letters)}: taken by position")
    if not 2 <= len(texts) <= len(LETTERS):
        raise ValueError(f"{len(texts)} options")
    return tuple(texts), tuple(remarks)
