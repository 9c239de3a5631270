"""How often arms are right about held-out streams, beside those that see nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from scipy.stats import binomtest

from models.training.arms import Arm, Batch
from models.training.features import Senses
from models.training.scenes import SECONDS, Asked, Scene

ARMS = ("hybrid", "fast")
GUESSERS = ("prior", "blind")
LOOKERS = ("fast", "hybrid", "swapped")

Counts = dict[str, dict[str, float]]
"""By kind of question, and of all: ``n``, how many of them each is right about (for ``chance``
the expected number), and how many only ``hybrid`` is right about and how many only ``fast``."""


def score(
    arms: Mapping[str, Arm], senses: Senses, held_out: Sequence[int], trained: Sequence[int]
) -> Counts:
    """Count right answers to all questions about the scenes of the seeds ``held_out``.

    ``chance`` guesses. ``prior`` gives the answer that is the most frequent for the kind of
    question in the scenes ``trained``, ``blind`` the most frequent one for the very words of the
    question: the best that reading questions alone can do. ``swapped`` is the hybrid that looks
    into the slow tokens of another scene.
    """
    of_kind, of_text = _frequent(trained)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    chance: dict[str, float] = defaultdict(float)
    for place, seed in enumerate(held_out):
        seconds = 4 + place % (SECONDS - 3)
        asked = Scene.of(seed).questions(seconds)
        other = held_out[(place + 1) % len(held_out)]
        sensed, elsewhere = (senses.scene(Scene.of(s)).until(seconds) for s in (seed, other))
        batch = Batch([sensed], [asked])
        given = {name: arm.choose(batch) for name, arm in arms.items()}
        given["swapped"] = arms["hybrid"].choose(batch, [elsewhere])
        given["prior"] = [_likeliest(of_kind[q.kind], q) for q in asked]
        given["blind"] = [_likeliest(of_text.get(q.text, of_kind[q.kind]), q) for q in asked]
        for number, question in enumerate(asked):
            right = {name for name, answers in given.items() if answers[number] == question.answer}
            only = {f"only {a}" for a, b in (ARMS, ARMS[::-1]) if a in right and b not in right}
            for kind in (question.kind, "all"):
                counts[kind].update(["n", *right, *only])
                chance[kind] += 1 / len(question.options)
    kinds = [*sorted(set(counts) - {"all"}), "all"]
    return {kind: {"chance": chance[kind], **counts[kind]} for kind in kinds}


def table(counts: Counts) -> str:
    """As Markdown: shares in per cent; of those that look with their 95 % intervals."""
    columns = ("kind", "n", "chance", *GUESSERS, *LOOKERS)
    rows = ["| " + " | ".join(columns) + " |", "| --- |" + " ---: |" * (len(columns) - 1)]
    for kind, count in counts.items():
        n = int(count["n"])
        cells = [kind, f"{n:,}"]
        cells += [f"{100 * count.get(name, 0) / n:.0f}" for name in ("chance", *GUESSERS)]
        for name in LOOKERS:
            right = int(count.get(name, 0))
            ends = binomtest(right, n).proportion_ci(0.95, method="wilson")
            cells.append(f"{100 * right / n:.0f} ({100 * ends.low:.0f} to {100 * ends.high:.0f})")
        rows.append("| " + " | ".join(cells) + " |")
    every = counts["all"]
    only = " and ".join(f"{int(every.get(f'only {a}', 0))} only {a}" for a in ARMS)
    return "\n".join(rows) + f"\n\nOf all questions, {only} is right about."


def _likeliest(frequency: Counter[str], question: Asked) -> str:
    return max(question.options, key=frequency.__getitem__)


def _frequent(seeds: Sequence[int]) -> tuple[dict[str, Counter[str]], dict[str, Counter[str]]]:
    """How often each answer is right, by the kind and by the words of a question."""
    of_kind: dict[str, Counter[str]] = defaultdict(Counter)
    of_text: dict[str, Counter[str]] = defaultdict(Counter)
    for seed in seeds:
        for seconds in range(4, SECONDS + 1):
            for question in Scene.of(seed).questions(seconds):
                of_kind[question.kind][question.answer] += 1
                of_text[question.text][question.answer] += 1
    return of_kind, of_text
