"""Which segments a question needs.

Words and meaning are scored apart, each to about [0, 1], and added: BM25 over the lines
that hold the question's words, and the cosine of embeddings. Time expressions narrow or
order what is looked at. Among those about as good, what is more recent, and what matters
more, comes first.

Recall is strictly causal: it uses lines known at the question's time and nothing else, not
even through counts. That is why BM25 is computed here and not by FTS5's own ``bm25()``,
whose word frequencies are those of the whole file, the future included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory.importance import importance
from memory.line_index import Lines
from memory.naming import named
from memory.segment import Segment
from memory.store import Store
from memory.time_expressions import TimeExpression, parse
from memory.words import terms

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to unit vectors, ``float32 (n, D)``."""

K1, B = 1.2, 0.75  # BM25's usual constants (Robertson and Zaragoza, 2009)

MOST_HITS = 5_000
"""Lines looked at per word, newest first: a word in more lines than that tells them little
apart."""

CANDIDATES = 512
"""Lines whose true vectors are compared, of those nearest in sign."""

RECENCY, IMPORTANCE = 0.02, 0.02
"""Most that the two add to a score: they decide among segments about as good."""

CONTENDERS = 24
"""Segments, for each that is asked for, that are looked at more closely."""

ANCHOR_FLOOR = 0.6
"""Score from which an event named by "before" or "after" counts as found."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """A segment that may hold the answer.

    Attributes:
        segment: as it was known at the time of the question; without its features.
        score: words and meaning together, about [0, 2] and more where the time fits; to be
            compared within one recall.
        reasons: why it was chosen, for people.
    """

    segment: Segment
    score: float
    reasons: tuple[str, ...]


class _Scores:
    """Scores of the segments for one text, with what each score rests on: by segment, the id
    of the line ``closest`` in meaning, and of that which holds the most ``telling`` word."""

    def __init__(self, count: int) -> None:
        self.words = np.zeros(count)
        self.meaning = np.zeros(count)
        self.hits: list[tuple[str, NDArray[np.int32]]] = []
        self.closest: dict[int, int] = {}
        self.telling = np.zeros(count, dtype=np.int64)

    @property
    def total(self) -> NDArray[np.float64]:
        return self.words + self.meaning


def recall(
    question: str, time: float, k: int, store: Store, lines: Lines, embed: Embed | None
) -> list[Recalled]:
    """The ``k`` segments that best answer ``question`` put at stream ``time``, best first.

    Args:
        lines: a snapshot of the index of ``store``.
        embed: the embedder the lines were embedded by, or None to go by words alone.

    Raises:
        StoreError: the session cannot be read.
        ValueError: ``embed`` gives vectors of another size than those stored.
    """
    begun = lines.starts <= time
    if not begun.any() or k <= 0:
        return []
    asked_of, wanted = named(question, lines.names)
    said = parse(asked_of, time, float(lines.starts[begun].min()), store.wall_clock)
    known = lines.known(time)
    if wanted:
        numbers = [number for number, name in enumerate(lines.names) if name in wanted]
        begun &= np.isin(lines.sources, numbers)
        known &= begun[lines.segments]
    within = _window(said, lines, begun)
    allowed = known & within[lines.segments]
    scores = _score(said.rest, allowed, store, lines, embed)
    total = scores.total
    why: dict[int, str] = {}

    if said.anchor:
        total = total + _near_anchor(said, known, begun, why, store, lines, embed)
    found = np.flatnonzero(total > 0)
    content = bool(terms(said.rest))
    if said.order is not None:
        held = np.unique(lines.segments[allowed]) if not content else found
        if len(held):
            # The first or last of those about as good as the best.
            good = _by_start(held[total[held] >= 0.6 * total[held].max()], lines)
            chosen = good[:k] if said.order == "first" else good[::-1][:k]
            why.update({int(index): f"the {said.order} of its kind" for index in chosen})
            return _recalled(chosen, total, scores, why, time, store)
    if len(found) < k and (said.start is not None or not content):
        # A question of time alone: what was going on then, the latest first.
        held = _by_start(np.unique(lines.segments[allowed]), lines)
        rest = np.concatenate([held[::-1], _by_start(np.flatnonzero(within), lines)[::-1]])
        spare = list(dict.fromkeys(int(i) for i in rest if total[i] <= 0))[: k - len(found)]
        if said.start is None:
            why.update(dict.fromkeys(spare, "the most recent"))
    else:
        spare = []
    if said.start is not None:
        why.update({int(i): f"{said.phrase.strip()}" for i in [*found, *spare]})
    total[found] += RECENCY * np.exp((lines.starts[found] - time) / 300.0)
    best = _without_echoes(_best(found, total, CONTENDERS * k), scores, store)[: 3 * k]
    asked = store.asked_about(time)
    for segment in store.get(best.tolist(), media=False):
        if (cut := segment.as_of(time)) is not None:
            total[segment.index] += IMPORTANCE * importance(cut, segment.index in asked)
    best = _without_echoes(_best(best, total, 3 * k), scores, store)[:k]
    chosen = np.concatenate([best, np.array(spare, dtype=np.int64)])
    return _recalled(chosen, total, scores, why, time, store)


def _best(found: NDArray[np.int64], total: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The ``count`` with the highest totals, the highest first; of equals, the later first."""
    if len(found) > count:
        floor = np.partition(total[found], -count)[-count]
        found = found[total[found] >= floor]
    return found[np.lexsort((-found, -total[found]))][:count]


def _without_echoes(best: NDArray[np.int64], scores: _Scores, store: Store) -> NDArray[np.int64]:
    """The same, with those that only say once more what one before them says at the end."""
    ids = [(int(scores.telling[i]), scores.closest.get(int(i), 0)) for i in best]
    texts = store.texts([id_ for pair in ids for id_ in pair if id_])
    seen: set[tuple[str, str]] = set()
    echoes = np.zeros(len(best), dtype=np.bool_)
    for place, (word, meaning) in enumerate(ids):
        said = (texts.get(word, "").casefold(), texts.get(meaning, "").casefold())
        echoes[place] = said in seen
        seen.add(said)
    return np.concatenate([best[~echoes], best[echoes]])


def _by_start(segments: NDArray[Any], lines: Lines) -> NDArray[Any]:
    """The same segments by their starts; of equals, the earlier written first."""
    return segments[np.argsort(lines.starts[segments], kind="stable")]


def _window(said: TimeExpression, lines: Lines, begun: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of the segments that had ``begun``, those that overlap the stretch a question asks about."""
    if said.start is None or said.end is None:
        return begun
    empty = lines.ends <= lines.starts
    after = np.where(empty, lines.starts >= said.start, lines.ends > said.start)
    within: NDArray[np.bool_] = begun & (lines.starts <= said.end) & after
    return within


def _score(
    text: str, allowed: NDArray[np.bool_], store: Store, lines: Lines, embed: Embed | None
) -> _Scores:
    scores = _Scores(len(lines.starts))
    wanted = terms(text)
    if not wanted or not allowed.any():
        return scores
    _score_words(wanted, allowed, scores, store, lines)
    if embed is not None:
        _score_meaning(embed([text])[0], allowed, scores, store, lines)
    return scores


def _score_words(
    wanted: list[str],
    allowed: NDArray[np.bool_],
    scores: _Scores,
    store: Store,
    lines: Lines,
) -> None:
    count = int(np.count_nonzero(allowed))
    mean_length = int(np.sum(lines.lengths, where=allowed, dtype=np.int64)) / count
    weights = []
    low = int(lines.ids[allowed.argmax()])
    high = int(lines.ids[len(allowed) - 1 - allowed[::-1].argmax()])
    found = [(word, _newest_hits(word, allowed, low, high, store, lines)) for word in wanted]
    for word, hits in sorted(found, key=lambda item: -len(item[1])):
        rarity = float(np.log1p((count - len(hits) + 0.5) / (len(hits) + 0.5)))
        weights.append(rarity)
        if len(hits) == 0:
            continue
        # Lines are a sentence long, so that a word's frequency in one is taken as 1.
        length = 1.0 - B + B * lines.lengths[hits] / mean_length
        gain = rarity * (K1 + 1.0) / (1.0 + K1 * length) * lines.weights[hits]
        held, place = np.unique(lines.segments[hits], return_inverse=True)
        best = np.zeros(len(held))
        np.maximum.at(best, place, gain)
        scores.words[held] += best
        scores.hits.append((word, lines.segments[hits]))
        # Commonest first, so that the rarest word's line stands in the end.
        order = np.argsort(gain, kind="stable")
        scores.telling[lines.segments[hits[order]]] = lines.ids[hits[order]]
    scores.words /= sum(weights)


def _newest_hits(
    word: str, allowed: NDArray[np.bool_], low: int, high: int, store: Store, lines: Lines
) -> NDArray[np.int64]:
    """Positions of the newest :data:`MOST_HITS` allowed lines that hold ``word``, with ids in
    ``[low, high]``."""
    found: list[NDArray[np.int64]] = []
    # Lines not allowed may mingle with the others, so they must not use up the limit.
    while sum(map(len, found)) < MOST_HITS:
        ids = store.matching(word, low, high, MOST_HITS)
        hits = lines.positions(np.array(ids, dtype=np.int64))
        found.append(hits[allowed[hits]])
        if len(ids) < MOST_HITS:
            break
        high = ids[-1] - 1
    return np.concatenate(found)[:MOST_HITS]


def _score_meaning(
    vector: NDArray[np.float32],
    allowed: NDArray[np.bool_],
    scores: _Scores,
    store: Store,
    lines: Lines,
) -> None:
    if lines.dimension and len(vector) != lines.dimension:
        raise ValueError(
            f"the embedder gives {len(vector)} values where the session holds {lines.dimension}; "
            "open the session with the engine it was made with"
        )
    near = lines.nearest(vector, allowed, CANDIDATES)
    ids = lines.ids[near].tolist()
    held = store.vectors(ids)
    kept = [number for number, id_ in enumerate(ids) if id_ in held]
    if not kept:
        return
    near = near[kept]
    # Row by row, so that a line's score does not depend on which others stand beside it.
    matrix = np.stack([held[ids[number]] for number in kept]).astype(np.float32)
    cosine = (matrix * vector).sum(axis=1, dtype=np.float64) * lines.weights[near]
    for position in np.argsort(cosine, kind="stable"):
        scores.closest[int(lines.segments[near[position]])] = int(lines.ids[near[position]])
    np.maximum.at(scores.meaning, lines.segments[near], cosine)


def _near_anchor(
    said: TimeExpression,
    known: NDArray[np.bool_],
    begun: NDArray[np.bool_],
    why: dict[int, str],
    store: Store,
    lines: Lines,
    embed: Embed | None,
) -> NDArray[np.float64]:
    """What stands before or after the event a question names gains, the nearest most."""
    gain = np.zeros(len(begun))
    event = _score(said.anchor, known, store, lines, embed).total
    best = int(event.argmax())
    if event[best] <= 0:
        return gain
    if event[best] < ANCHOR_FLOOR:
        return event  # No such event: then these are words like any others.
    gain[best] = 0.5
    why[best] = f"holds “{said.anchor}”"
    order = _by_start(np.flatnonzero(begun), lines)
    place = int(np.flatnonzero(order == best)[0])
    others = order[:place][::-1] if said.relation == "before" else order[place + 1 :]
    for index in others.tolist():
        gap = abs(lines.starts[index] - lines.starts[best])
        if gap > 120.0:
            break
        gain[index] = 0.8 * float(np.exp(-gap / 60.0))
        why[index] = f"{said.relation} “{said.anchor}”"
    return gain


def _recalled(
    chosen: NDArray[np.int64],
    total: NDArray[np.float64],
    scores: _Scores,
    why: dict[int, str],
    time: float,
    store: Store,
) -> list[Recalled]:
    wanted = [int(index) for index in chosen]
    texts = store.texts([scores.closest[index] for index in wanted if index in scores.closest])
    found = []
    for segment in store.get(wanted, media=False, until=time):
        index = segment.index
        cut = segment.as_of(time)
        if cut is None:
            continue
        reasons = [why[index]] if index in why else []
        words = [word for word, held in reversed(scores.hits) if (held == index).any()]
        if words:
            reasons.append("words: " + ", ".join(words))
        line = texts.get(scores.closest.get(index, -1))
        if line is not None and scores.meaning[index] > 0:
            reasons.append(f"meaning {scores.meaning[index]:.2f}: “{line}”")
        found.append(Recalled(cut, float(total[index]), tuple(reasons)))
    return found
