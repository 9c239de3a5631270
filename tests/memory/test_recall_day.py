"""What was spoken or written is recalled at every age, by the real embedder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from memory.codec import entries
from memory.memory import Memory
from tests.memory.day import HOURS, QUESTIONS, SECONDS, Day, day

HIT = 0.95
K = 3


def embedder(texts: Sequence[str]) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """The real one, with ``texts`` embedded ahead in large batches."""
    from models.text.embedding import EmbeddingError, SentenceEmbedder

    try:
        embed = SentenceEmbedder()
    except EmbeddingError as error:
        pytest.skip(str(error))
    known = dict(zip(texts, embed(texts), strict=True))

    def ahead(wanted: Sequence[str]) -> NDArray[np.float32]:
        new = [text for text in wanted if text not in known]
        if new:
            known.update(zip(new, embed(new), strict=True))
        return np.stack([known[text] for text in wanted])

    return ahead


@pytest.fixture(scope="module")
def lived() -> Iterator[tuple[Memory, Day]]:
    today = day(seed=1)
    texts = dict.fromkeys(entry.text for part in today.segments for entry in entries(part))
    with Memory.open(None, embedder([*texts, *(question for question, _ in QUESTIONS)])) as memory:
        for part in today.segments:
            memory.append(part)
        yield memory, today


def missed(memory: Memory, today: Day, age: float | None) -> list[str]:
    """Questions whose segment is not among the first :data:`K`, asked at an age of the fact in
    seconds, or at the end of the day."""
    end = HOURS * 3600.0
    wrong = []
    for question, piece in QUESTIONS:
        index = today.answers[piece]
        at = end if age is None else min(end, SECONDS * (index + 1) + age)
        found = [r.segment.index for r in memory.recall(question, at, K)]
        if index not in found:
            wrong.append(question)
    return wrong


def share(wrong: list[str]) -> float:
    return 1 - len(wrong) / len(QUESTIONS)


@pytest.mark.parametrize("age", [0.0, 60.0, 600.0, 3600.0, None])
def test_facts_are_recalled_at_every_age(lived: tuple[Memory, Day], age: float | None) -> None:
    wrong = missed(*lived, age)
    assert share(wrong) >= HIT, wrong


def test_facts_are_recalled_when_detail_has_faded(lived: tuple[Memory, Day]) -> None:
    memory, today = lived
    end = HOURS * 3600.0
    lines = memory.statistics().lines
    while any(node.faded < 3 for node in memory.timeline(levels=(1,))) or not memory.timeline(
        levels=(1,)
    ):
        memory.consolidate(end, 0, steps=1)
    assert memory.statistics().lines < lines
    for age in (3600.0, None):
        wrong = missed(memory, today, age)
        assert share(wrong) >= HIT, wrong
