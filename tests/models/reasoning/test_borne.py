"""What a model says by itself counts only where a line of the evidence bears it."""

from __future__ import annotations

import pytest

from models.reasoning.borne import bearer, told
from models.reasoning.reasoner import Evidence, Line, Passage


def heard(at: float, text: str, kind: str = "heard", certain: bool = True) -> Passage:
    line = Line(at, at + 3.0, kind, text, certain)
    return Passage(at, at + 8.0, (line,), at + 8.0)


EVIDENCE = Evidence(
    99.0,
    (
        heard(5.0, "The ferry is the Maria, and she leaves at ten."),
        heard(15.0, "Captain Olsen is on the bridge."),
        heard(25.0, "The ferry is the Maria."),
        heard(35.0, "anchor", "seen", certain=False),
        heard(45.0, "The cook is Pedro.", "note"),
    ),
)


@pytest.mark.parametrize(
    ("answer", "start"),
    [
        ("Captain Olsen", 15.0),
        ("Maria", 25.0),  # said twice: the latest
        ("Maria, at 0:05", 5.0),
        ("Maria, at 0:25", 25.0),
        ("leaving at ten", 5.0),
        ("Maria, at 0:15", None),  # not then
        ("Captain Nilsen", None),
        ("Captain Maria", None),  # no line holds both
        ("anchor", None),  # uncertain
        ("Pedro", None),  # a note retells
        ("not seen", None),
        ("", None),
    ],
)
def test_only_a_line_that_holds_all_its_words_bears_an_answer(
    answer: str, start: float | None
) -> None:
    line = bearer(answer, EVIDENCE)
    assert (line and line.start) == start


def test_the_time_is_told_apart_from_the_answer() -> None:
    assert told("Maria, at 0:05") == ("Maria", "0:05")
    assert told("at 1:02:05") == ("", "1:02:05")
    assert told("Maria") == ("Maria", "")
