"""Whether two runs over the same questions differ by more than luck."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.scoring.metrics import mcnemar
from app.scoring.questions import DataError
from app.scoring.results import Result
from app.scoring.table import published_of, strict_of


@dataclass(frozen=True, slots=True)
class Pairing:
    """A paired comparison over the questions that both runs have a mark for.

    ``only_first`` were right in the first run alone; ``p`` is McNemar's exact two-sided p.
    """

    name: str
    rule: str
    n: int
    both: int
    only_first: int
    only_second: int
    neither: int
    p: float


def compare(first: Sequence[Result], second: Sequence[Result]) -> list[Pairing]:
    """Pairings by task and in total, by the strict rule, then in total by the published one.

    Raises:
        DataError: the runs share no question, or disagree on what is asked or right.
    """
    others = {result.id: result for result in second}
    pairs = [(result, others[result.id]) for result in first if result.id in others]
    if not pairs:
        raise DataError("the two runs share no question")
    for one, other in pairs:
        if (one.benchmark, one.answer, one.time) != (other.benchmark, other.answer, other.time):
            raise DataError(f"the two runs disagree on question {one.id}: not the same data")
    found = [
        _pairing(task, "strict", [p for p in pairs if p[0].task == task], strict_of)
        for task in dict.fromkeys(one.task for one, _ in pairs)
    ]
    found.append(_pairing("total", "strict", pairs, strict_of))
    found.append(_pairing("total", "published", pairs, published_of))
    return found


def counts(pairing: Pairing) -> tuple[int, int, int, int, int]:
    """How many questions, and right in both, in the first, in the second, in neither alone."""
    p = pairing
    return p.n, p.both, p.only_first, p.only_second, p.neither


def _pairing(
    name: str,
    rule: str,
    pairs: Sequence[tuple[Result, Result]],
    mark: Callable[[Result], bool | None],
) -> Pairing:
    marks = [(mark(one), mark(other)) for one, other in pairs]
    known = [(a, b) for a, b in marks if a is not None and b is not None]
    only_first = sum(a and not b for a, b in known)
    only_second = sum(b and not a for a, b in known)
    return Pairing(
        name=name,
        rule=rule,
        n=len(known),
        both=sum(a and b for a, b in known),
        only_first=only_first,
        only_second=only_second,
        neither=sum(not a and not b for a, b in known),
        p=mcnemar(only_first, only_second),
    )
