"""How well the embedded reasoner's answers stand on the evidence, over invented timelines.

    python -m tests.bench.grounded [--plain]

Short programmes of six facts each, written for this and for nothing else. Each fact is asked as
a multiple-choice and as a free question, and for its time; each has a near miss, a question of
the same programme that nothing in it answers; and the questions of another programme are put to
this one, where they have no answer either. Free answers are marked by whether the line that
holds the fact is quoted. The threshold ``grounding.MET`` was chosen on the first six programmes;
the last two were written afterwards and chose nothing.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from dataclasses import dataclass

from app.home import ROOT, home
from models.reasoning.embedded import NOTHING, TRAINED, EmbeddedModel, EmbeddedReasoner
from models.reasoning.reasoner import Evidence, Line, Passage
from models.text.embedding import SentenceEmbedder

STEP = 9.0
"""Seconds from one fact to the next."""

NEVER = (NOTHING, "Not that I have seen or heard.")

FILLER = ("Well, let us have a look.", "Just a moment, please.", "That is how it is here.")

PROGRAMMES = ROOT / "tests" / "data" / "programmes.txt"
"""A fact a line: kind | text | question | right option / wrong ones | something that is there /
something that is not | a question without an answer. An empty line ends a programme."""

HELD_OUT = 2
"""Programmes at the end that chose nothing."""


@dataclass(frozen=True, slots=True)
class Fact:
    kind: str
    text: str
    question: str
    options: tuple[str, ...]  # the right one first
    there: str
    missing: str
    unanswered: str


def facts(programme: str) -> list[Fact]:
    found = []
    for line in programme.strip().splitlines():
        kind, text, question, options, things, unanswered = line.split(" | ")
        there, missing = things.split(" / ")
        told = tuple(options.split(" / "))
        found.append(Fact(kind, text, question, told, there, missing, unanswered))
    return found


def timeline(told: list[Fact]) -> tuple[Passage, ...]:
    passages = []
    for number, each in enumerate(told):
        start = number * STEP
        end = start + (7.0 if each.kind == "heard" else 4.0)
        lines = (
            Line(start + 0.5, start + 2.0, "heard", FILLER[number % len(FILLER)]),
            Line(start + 2.5, start + 2.5, "look", "much motion; colours grey, brown"),
            Line(start + 3.0, start + 3.0, "seen", "shield", certain=False),
            Line(start + 4.0, end, each.kind, each.text),
        )
        passages.append(Passage(start, start + STEP, lines, start + STEP))
    return tuple(passages)


class Tally:
    """Right answers of each sort, and those that went wrong."""

    def __init__(self) -> None:
        self.right: Counter[str] = Counter()
        self.all: Counter[str] = Counter()
        self.wrong: list[str] = []

    def add(self, sort: str, good: bool, question: str, said: str) -> None:
        self.all[sort] += 1
        self.right[sort] += good
        if not good:
            self.wrong.append(f"{sort}: {question} -> {said}")

    def show(self, title: str) -> None:
        print(title)
        for sort, count in self.all.items():
            print(f"  {sort:>22}: {self.right[sort]:3} of {count:3} right")
        print("\n".join(self.wrong), end="\n\n")


def ask(tally: Tally, reasoner: EmbeddedReasoner, told: list[Fact], others: list[Fact]) -> None:
    passages = timeline(told)
    for passage in passages:
        reasoner.watch(passage)
    evidence = Evidence(passages[-1].known_at, passages)
    order = random.Random(told[0].text)
    for each in told:
        options = list(each.options)
        order.shuffle(options)
        chances, _ = reasoner.choose(each.question, options, evidence)
        choice = options[chances.index(max(chances))]
        tally.add("multiple choice", choice == each.options[0], each.question, choice)

        reply = reasoner.answer(each.question, evidence)
        said = "".join(reply)
        quoted = any(line.text in each.text for line in reply.support)
        good = quoted and not said.startswith(NEVER)
        tally.add("free, the fact quoted", good, each.question, said)

        form = "Is there {}?" if each.kind == "seen" else "Did anyone mention {}?"
        if each.kind != "read":
            question = form.format(each.there)
            said = "".join(reasoner.answer(question, evidence))
            tally.add("yes or no, yes", said.startswith("Yes"), question, said)
            question = form.format(each.missing)
            said = "".join(reasoner.answer(question, evidence))
            tally.add("yes or no, no", said.startswith(NEVER), question, said)
        if each.kind == "heard":
            question = f"When did they talk about {each.there}?"
            reply = reasoner.answer(question, evidence)
            said = "".join(reply)
            good = any(line.text in each.text for line in reply.support)
            tally.add("when", good and said.startswith("At "), question, said)
        said = "".join(reasoner.answer(each.unanswered, evidence))
        tally.add("no answer, near miss", said.startswith(NEVER), each.unanswered, said)
    for other in others:
        said = "".join(reasoner.answer(other.question, evidence))
        tally.add("no answer, elsewhere", said.startswith(NEVER), other.question, said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--plain", action="store_true", help="the language model as it comes")
    model = EmbeddedModel.load(home(), None if parser.parse_args().plain else TRAINED)
    embed = SentenceEmbedder()
    told = PROGRAMMES.read_text(encoding="utf-8").split("\n\n")
    for title, programmes in (("chosen on", told[:-HELD_OUT]), ("held out", told[-HELD_OUT:])):
        tally = Tally()
        for number, programme in enumerate(programmes):
            ask(tally, model.reasoner(embed), facts(programme), facts(programmes[number - 1]))
        tally.show(title)


if __name__ == "__main__":
    main()
