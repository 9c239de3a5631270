"""Which earlier questions a question refers to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from memory.memory import Memory
from memory.segment import Turn
from tests.memory.builders import hashed

WOMAN = Turn(10.0, "Who is the woman in orange?", "Eileen Collins, an astronaut.")
COFFEE = Turn(20.0, "What does the coffee cost?", "Three dollars.")
TRAIN = Turn(30.0, "Where does the train go?", "To Genoa.")


@pytest.fixture(params=["words", "meaning"])
def memory(request: pytest.FixtureRequest) -> Iterator[Memory]:
    with Memory.open(None, hashed if request.param == "meaning" else None) as opened:
        for turn in (WOMAN, COFFEE, TRAIN):
            opened.remember(turn)
        yield opened


@pytest.mark.parametrize(
    ("question", "turn"),
    [
        ("What is the person I asked about doing now?", WOMAN),
        ("Is the woman I asked about still there?", WOMAN),
        ("How far is the place you mentioned?", TRAIN),
        ("What was the price you told me?", COFFEE),
        ("What did I ask before?", TRAIN),
        ("What was my last question?", TRAIN),
        ("What was my first question?", WOMAN),
        ("And when does it arrive?", TRAIN),
        ("What did you say about the coffee?", COFFEE),
    ],
)
def test_a_question_that_refers_back_finds_the_turn_it_means(
    memory: Memory, question: str, turn: Turn
) -> None:
    assert memory.relevant_turns(question, 60.0)[0] == turn


def test_a_question_that_stands_by_itself_refers_to_nothing(memory: Memory) -> None:
    assert memory.relevant_turns("Which colour has the lighthouse?", 60.0) == []


def test_a_question_about_the_same_finds_the_turn_without_saying_so(memory: Memory) -> None:
    assert memory.relevant_turns("How dear is a coffee here?", 60.0)[0] == COFFEE


def test_turns_put_or_answered_later_are_not_known_yet(memory: Memory) -> None:
    slow = Turn(40.0, "What is in the box?", "A lantern.", answered=47.0, segments=(3, 5))
    memory.remember(slow)
    assert memory.relevant_turns("What did I ask before?", 25.0)[0] == COFFEE
    assert memory.relevant_turns("What did I ask before?", 45.0)[0] == TRAIN
    assert memory.relevant_turns("What did I ask before?", 47.0)[0] == slow
    assert memory.turns(45.0) == [WOMAN, COFFEE, TRAIN]
    assert memory.turns(limit=2) == [TRAIN, slow]
    assert memory.relevant_turns("What did I ask before?", 5.0) == []
