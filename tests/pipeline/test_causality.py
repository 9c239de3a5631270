"""What comes later changes no bit of what is put before a reasoner, nor of its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.memory import Memory
from memory.segment import Observation, Segment, Utterance
from models.reasoning.multimodal.engine import load_multimodal
from models.reasoning.reasoner import Evidence, Reply
from pipeline.answer import Answer
from pipeline.engine import Engine
from pipeline.recollection import Recollection
from tests.memory.builders import hashed, said, segment
from tests.memory.test_memory import QUESTIONS, streams
from tests.models.reasoning.multimodal.tiny import tiny
from tests.pipeline.fakes import engine

FIRST = segment(0, said("Hello, this is the red car.", 0.5, 1.0))
"""Begins every stream, so that there always is something to ask about."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A tiny random multimodal model: its words follow from every bit of its context."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tiny("qwen2_5_vl").save(tmp_path_factory.mktemp("models") / "tiny")
    model = load_multimodal(str(folder), context_tokens=1500, answer_tokens=8)
    yield replace(engine(), embed=hashed, new_reasoner=lambda scratch: model.reasoner())
    torch.set_num_threads(threads)


def asked(whole: Engine, stream: Sequence[Segment], question: str, time: float) -> object:
    """All that comes of asking ``question`` at ``time`` of a memory that holds ``stream``."""
    given_evidence: list[Evidence] = []
    with Memory.open(None, whole.embed) as memory:
        for part in stream:
            memory.append(part)

        def noting(scratch: Path | None) -> object:
            reasoner = whole.new_reasoner(scratch)
            answer: Callable[..., Reply] = reasoner.answer

            def noted(question: str, evidence: Evidence, *rest: object) -> Reply:
                given_evidence.append(evidence)
                return answer(question, evidence, *rest)

            reasoner.answer = noted  # type: ignore[method-assign]
            return reasoner

        recollection = Recollection(replace(whole, new_reasoner=noting), memory)  # type: ignore[arg-type]
        free = recollection.ask(question, at=time, history=False)
        chosen = recollection.ask(question, ("a red car", "a cat", "no"), time, history=False)
        return *map(outcome, (free, chosen)), [shown(e) for e in given_evidence]


def outcome(answer: Answer) -> object:
    text = "".join(answer)
    counts = answer.counts
    return text, answer.probabilities, answer.spans, (counts.fast, counts.slow, counts.text)


def shown(evidence: Evidence) -> object:
    passages = [(p.start, p.end, p.lines, p.known_at) for p in evidence.passages]
    return evidence.time, passages, evidence.about, evidence.focus


def worlds(past: list[Segment], future: list[Segment], time: float) -> list[list[Segment]]:
    """Two that are the same up to ``time`` and go on otherwise; what is being said just then
    goes on in both, with other words. (That somebody still speaks is known, and keeps a
    segment open.) The third ends then."""
    going_on = [FIRST]
    for old, new in zip(past[1:], future[1:], strict=True):
        begun = [o for o in old.observations if o.time <= time]
        begun = [o if o.known_at <= time else other_words(o) for o in begun]
        later = [o for o in new.observations if o.time > time]
        going_on.append(segment(old.index, *begun, *later))
    past = [FIRST, *past[1:]]
    return [past, going_on, [s for s in past if s.start <= time]]


def other_words(ongoing: Observation) -> Observation:
    assert isinstance(ongoing, Utterance)
    return replace(ongoing, end=ongoing.end + 1.0, text=f"{ongoing.text} and the phone")


@settings(max_examples=12, deadline=None)
@given(
    past=streams(6),
    future=streams(6),
    time=st.floats(1.0, 29.0, width=16),
    question=st.sampled_from(QUESTIONS),
)
def test_evidence_and_answer_are_the_same_bit_for_bit_whatever_comes_later(
    small: Engine, past: list[Segment], future: list[Segment], time: float, question: str
) -> None:
    results = [asked(small, stream, question, time) for stream in worlds(past, future, time)]
    assert results[0] == results[1] == results[2]


def test_it_holds_for_the_embedded_engine(embedded: Engine) -> None:
    past = [FIRST, segment(1, said("The cat sleeps by the door.", 6.0), said("It is late.", 9.0))]
    future = [FIRST, segment(1, said("The cat has gone to the garden.", 9.5))]
    streams = worlds(past, future, 8.5)[:2]
    results = [asked(embedded, stream, "Where does the cat sleep?", 8.5) for stream in streams]
    assert "door" in str(results[0])
    assert results[0] == results[1]
