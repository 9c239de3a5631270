"""How well the language model reads timelines of worlds it was not trained on.

    python -m tests.bench.mind assets/mind.safetensors --plain --timelines 60

Made-up timelines (:mod:`models.training.timelines`) of the held-out domains, each question put by
itself as the embedded engine puts it, and answered by the model alone: no rule of the engine
helps. With ``--plain`` the model as it comes answers the same prompts beside the adapted one; the
name of an adapter may be left out then. Options are weighed by the likelihood of their text and
the end mark; free answers are the likeliest tokens one after the other, marked by
:func:`marked`. The engine passes on a free answer only where "not seen" is unlikely enough: that
threshold is counted beside. Intervals are Wilson's, 95 %.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from app.home import home
from app.scoring.metrics import wilson
from models.reasoning import adapter, prompt
from models.reasoning.context import Fork, StreamingContext
from models.reasoning.embedded import SEEN, EmbeddedModel
from models.reasoning.packed import decode_packed
from models.reasoning.smollm2 import NAME, load
from models.training.mind import MEASURED
from models.training.timelines import HELD_OUT, NOT_SEEN, TRAINED, Asked, Timeline, made
from models.training.timelines.values import ONES

LONGEST = 40
"""Tokens of a free answer."""

NEAR = 3.0
"""Seconds by which a time may be off."""

_TIME = re.compile(r"(?:^|, )(?:at )?(?:(\d+):)?(\d+):(\d\d)\.?$", re.IGNORECASE)
_DECIDED = ("not yet", "yes", "no", "now")


@dataclass(frozen=True, slots=True)
class Mark:
    """What became of a free answer; ``timely`` is None where no time was asked for."""

    right: bool
    denies: bool
    timely: bool | None = None


def plain(text: str) -> list[str]:
    """The words of an answer that count: small, without marks and articles, numbers as digits."""
    found = re.findall(r"[\w$'-]+(?:[.:]\d+)*%?", text.lower().replace("-", " "))
    digits = {word: str(number) for number, word in enumerate(ONES)}
    return [digits.get(word, word) for word in found if word not in ("a", "an", "the")]


def time_of(text: str) -> tuple[str, float | None]:
    """An answer without the time at its end, and that time in seconds, or None."""
    found = _TIME.search(text.strip())
    if not found:
        return text, None
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return text.strip()[: found.start()], 3600.0 * hours + 60 * minutes + seconds


def marked(question: Asked, said: str) -> Mark:
    """Whether a free answer is right.

    It is where its words are those of the right answer, or hold them in one run with at most as
    many others and three more. Of an answer that says yes, no, now or not yet, that is what
    counts; of one that is a time, the time, within :data:`NEAR` seconds; of a summary, that half
    of what was talked about is named. ``timely`` tells apart whether the time that goes with any
    other answer is right, too.
    """
    denies = plain(said)[:2] == NOT_SEEN.split()
    if question.answer == NOT_SEEN or denies:
        return Mark(question.answer == NOT_SEEN and denies, denies)
    wanted, when = time_of(question.answer)
    given, told = time_of(said)
    timely = None if when is None else told is not None and abs(told - when) <= NEAR
    if not plain(wanted):
        return Mark(bool(timely), denies)
    if question.kind == "summary":
        subjects = [plain(each) for each in re.split(r", | and ", wanted)]
        named = sum(_holds(plain(given), each) for each in subjects)
        return Mark(2 * named >= len(subjects), denies)
    if wanted in _DECIDED:
        return Mark(plain(given)[: len(wanted.split())] == wanted.split(), denies, timely)
    # What stands there as a time may be the answer: "at 4:50" to when the train leaves.
    right = any(
        _holds(plain(text), plain(wanted)) and len(plain(text)) <= 2 * len(plain(wanted)) + 3
        for text in (given, said)
    )
    return Mark(right, denies, timely)


def _holds(said: Sequence[str], wanted: Sequence[str]) -> bool:
    count = len(wanted)
    return any(list(said[n : n + count]) == list(wanted) for n in range(len(said) - count + 1))


@dataclass(slots=True)
class Share:
    """Right ones of ``asked``, and how many guessing would get."""

    asked: int = 0
    right: int = 0
    guessed: float = 0.0

    def add(self, right: bool, guessed: float = 0.0) -> None:
        self.asked += 1
        self.right += right
        self.guessed += guessed

    def __str__(self) -> str:
        if not self.asked:
            return "-"
        low, high = wilson(self.right, self.asked)
        return f"{self.right / self.asked:.1%} ({low:.1%} to {high:.1%})"


@dataclass(slots=True)
class Results:
    """Of one model; ``mean`` judges options by their mean likelihood a token instead."""

    choices: dict[str, Share] = field(default_factory=lambda: defaultdict(Share))
    free: dict[str, Share] = field(default_factory=lambda: defaultdict(Share))
    mean: Share = field(default_factory=Share)
    timely: Share = field(default_factory=Share)
    invented: Share = field(default_factory=Share)
    denied: Share = field(default_factory=Share)
    invented_sure: Share = field(default_factory=Share)
    denied_sure: Share = field(default_factory=Share)
    wrong: list[str] = field(default_factory=list)


class Mind:
    """A model that answers the questions about a timeline."""

    def __init__(self, added: Path | None) -> None:
        model, tokenizer = load(home())
        if added is not None:
            adapter.merge(model, added, NAME)
        decode_packed(model)
        self._model = EmbeddedModel(model, tokenizer)
        self.name = "plain" if added is None else added.stem
        self.results = Results()

    def answer(self, timeline: Timeline) -> None:
        """Put all questions and count what comes."""
        context = self._model.context()
        context.append(self._model.ids(prompt.HEAD))
        for passage in timeline.passages:
            context.append(self._model.content(prompt.shown(passage)))
        for question in timeline.asked:
            fork = self._asked(context, question)
            if question.options:
                self._choose(fork, question)
            else:
                self._say(fork, question)

    def _asked(self, context: StreamingContext, question: Asked) -> Fork:
        fork = context.fork()
        put = self._model.content(prompt.question(question.text, question.options))
        fork.append([*put, *self._model.ids(prompt.ASKED)])
        return fork

    def _choose(self, fork: Fork, question: Asked) -> None:
        results = self.results
        texts = [
            [*self._model.content(f" {option}"), self._model.stop] for option in question.options
        ]
        likely = fork.score(texts)
        chance = 1 / len(texts)
        mean = [each / len(text) for each, text in zip(likely, texts, strict=True)]
        right = question.options.index(question.answer)
        given = likely.index(max(likely))
        results.choices[question.kind].add(given == right, chance)
        results.mean.add(mean.index(max(mean)) == right, chance)
        if given != right:
            results.wrong.append(f"{question.text} {question.options}: {question.options[given]}")

    def _say(self, fork: Fork, question: Asked) -> None:
        results = self.results
        denied = [*self._model.content(f" {NOT_SEEN}"), self._model.stop]
        sure = fork.score([denied])[0] <= SEEN
        tokens = list(fork.generate(LONGEST, [self._model.stop]))
        said = self._model.tokenizer.decode(tokens).strip()
        mark = marked(question, said)
        results.free[question.kind].add(mark.right)
        if question.answer == NOT_SEEN:
            results.invented.add(not mark.denies)
            results.invented_sure.add(sure and not mark.denies)
        else:
            results.denied.add(mark.denies)
            results.denied_sure.add(mark.denies or not sure)
            if mark.right and mark.timely is not None:
                results.timely.add(mark.timely)
        if not mark.right:
            results.wrong.append(f"{question.text} {question.answer}: {said}")


def _whole(shares: Sequence[Share]) -> Share:
    return Share(
        sum(share.asked for share in shares),
        sum(share.right for share in shares),
        sum(share.guessed for share in shares),
    )


def table(minds: Sequence[Mind]) -> Iterator[str]:
    """Rows of Markdown: what each of ``minds`` made of the same questions."""
    columns = " | ".join(mind.name for mind in minds)
    line = "| --- |" + " ---: |" * (2 + len(minds))
    for title, sort in (("multiple choice", "choices"), ("free", "free")):
        yield f"| {title} | n | chance | {columns} |"
        yield line
        shares = [getattr(mind.results, sort) for mind in minds]
        kinds = sorted(shares[0])
        rows = [(kind, [share[kind] for share in shares]) for kind in kinds]
        for kind, of_each in [*rows, ("all", [_whole(list(share.values())) for share in shares])]:
            asked = of_each[0].asked
            chance = f"{of_each[0].guessed / asked:.0%}" if sort == "choices" and asked else "-"
            yield f"| {kind} | {asked} | {chance} | {' | '.join(map(str, of_each))} |"
        yield ""
    yield f"| | n | {columns} |"
    yield "| --- | ---: |" + " ---: |" * len(minds)
    for title, name in (
        ("options by mean likelihood a token", "mean"),
        ("right free answers with the right time", "timely"),
        ("answers to what has none (invented)", "invented"),
        ('"not seen" to what has an answer', "denied"),
        ("invented, by the engine's threshold", "invented_sure"),
        ("denied, by the engine's threshold", "denied_sure"),
    ):
        of_each = [getattr(mind.results, name) for mind in minds]
        counts = "/".join(dict.fromkeys(str(share.asked) for share in of_each))
        yield f"| {title} | {counts} | {' | '.join(map(str, of_each))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("adapter", type=Path, nargs="?", help="safetensors of the adapted model")
    parser.add_argument("--plain", action="store_true", help="ask the model as it comes, too")
    parser.add_argument("--timelines", type=int, default=60)
    parser.add_argument("--trained", action="store_true", help="domains of training instead")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--wrong", type=int, default=0, metavar="N", help="show N wrong answers")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    minds = [Mind(None)] if given.plain or given.adapter is None else []
    if given.adapter is not None:
        minds.append(Mind(given.adapter))
    names = TRAINED if given.trained else HELD_OUT
    for number in range(given.timelines):
        timeline = made(MEASURED + number, names)
        for mind in minds:
            mind.answer(timeline)
    print("\n".join(table(minds)))
    for mind in minds:
        print("\n".join(("", mind.name, *mind.results.wrong[: given.wrong])) if given.wrong else "")


if __name__ == "__main__":
    main()
