"""False and missed firings of standing questions, on the embedded engine.

    python -m tests.bench.standing [CLIPS]

Each condition is known to come true in some stretches, or in none: of the sample clip, of the
real clips in the folder CLIPS where one is named, and of the invented programmes of
``tests/data/programmes.txt``, whose lines are judged without watching. The conditions on the
programmes were written when the rules stood; of these, temperatures, years such as "nineteen
twelve" and "has shown" were added for them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.home import SAMPLE, home
from memory.memory import Memory
from pipeline.engine import Choice, Engine, load_engine
from pipeline.session import Session
from pipeline.sources import open_source
from pipeline.standing import Firing, StandingQuestions, StandingWatch, WordsAndMeaning
from tests.bench.grounded import PROGRAMMES as PROGRAMME_FILE
from tests.bench.grounded import STEP, facts, timeline


@dataclass(frozen=True)
class Case:
    """``true`` holds the scenes' stretches (stream seconds) in which it comes true."""

    question: str
    true: tuple[tuple[float, float], ...]


CAT, COFFEE, ASTRONAUT, ROCKET, SKY, CARD = (
    (8.0, 16.0), (16.0, 24.0), (24.0, 35.0), (35.0, 45.0), (45.0, 54.0), (54.0, 60.0),
)  # fmt: skip

CASES = (
    Case("tell me when you hear the word lantern", (CARD,)),
    Case("when you hear the word budget", ()),
    Case('tell me when someone says "Cape Canaveral"', (ROCKET,)),
    Case("tell me when a cat appears", (CAT,)),
    Case("let me know when a dog appears", ()),
    Case("tell me when coffee is shown", (COFFEE,)),
    Case("tell me when a rocket takes off", (ROCKET,)),
    Case("tell me when an astronaut is shown", (ASTRONAUT,)),
    Case("tell me when somebody talks about the weather", (ROCKET,)),
    Case("tell me when a price is mentioned", (COFFEE,)),
    Case("tell me when galaxies are shown", (SKY,)),
    Case("tell me when the gate number is written", (CARD,)),
    Case("tell me when someone writes on the board", ()),
    Case("tell me when a car drives past", ()),
    Case("tell me when the film ends", (CARD,)),
    Case("tell me when somebody plays the piano", ()),
)


REAL = {
    "nasa_13013.mp4": (
        Case("tell me when a telescope is mentioned", ((0.0, 13.2),)),
        Case("when you hear the word Maryland", ((0.0, 13.2),)),
        Case("tell me when somebody talks about space", ((0.0, 13.2),)),
        Case("tell me when a price is mentioned", ()),
        Case("tell me when a dog appears", ()),
        Case("tell me when a date is mentioned", ()),
    ),
    "jfk.flac": (
        Case("tell me when somebody talks about his country", ((0.0, 11.1),)),
        Case("when you hear the word Americans", ((0.0, 11.1),)),
        Case("tell me when a number is mentioned", ()),
        Case("tell me when somebody mentions the weather", ()),
    ),
}

PROGRAMMES = (
    {
        "tell me when a ferry is mentioned": {0},
        "tell me when a captain is named": {1},
        "tell me when a boat is seen": {5},
        "tell me when a day of the week is mentioned": {4},
        "tell me when a helicopter appears": set(),
    },
    {
        "tell me when a temperature is shown": {3},
        "tell me when somebody talks about mushrooms": {2},
        "let me know when the cook mentions her grandmother": {4},
        "tell me when somebody drops a plate": set(),
    },
    {
        "tell me when a goal is scored": {0},
        "tell me when it starts raining": {3},
        "tell me when a card is shown": {2},
        "tell me when a player is replaced": {4},
        "tell me when a price is mentioned": set(),
    },
    {
        "tell me when a year is mentioned": {0},
        "tell me when a room number is shown": {2},
        "tell me when somebody's name is mentioned": {4},
        "tell me when flash photography is forbidden": {3},
    },
    {
        "tell me when bees are mentioned": {0},
        "tell me when a number is mentioned": {0},
        "tell me when honey is harvested": {4},
        "tell me when somebody is stung": set(),
    },
    {
        "tell me when a train is delayed": {0},
        "tell me when luggage is left behind": {1},
        "tell me when a platform number is shown": {2},
        "tell me when the dining car opens": set(),
    },
    {
        "tell me when a flood is announced": {2},
        "tell me when fire engines are shown": {4},
        "tell me when a bridge is closed": {0},
        "tell me when an earthquake is reported": set(),
    },
    {
        "tell me when somebody talks about glue": {2},
        "tell me when goggles are required": {3},
        "tell me when a phone number is shown": set(),
    },
)  # fmt: skip


def watched(engine: Engine, clip: Path, cases: Sequence[Case]) -> list[Firing]:
    """What fires while ``clip`` is watched."""
    firings: list[Firing] = []
    standing = StandingQuestions(WordsAndMeaning(engine.embed))
    for case in cases:
        standing.add(case.question)
    with Memory.open(None, engine.embed) as memory:
        session = Session(open_source(str(clip)), engine, memory)
        certain = engine.senses.certain_above
        with StandingWatch(standing, session.events, certain, firings.append), session:
            session.wait()
    return firings


def read(engine: Engine, programme: str, cases: Sequence[Case]) -> list[Firing]:
    """What fires over the lines of an invented programme."""
    standing = StandingQuestions(WordsAndMeaning(engine.embed))
    for case in cases:
        standing.add(case.question)
    return [f for passage in timeline(facts(programme)) for f in standing.take(passage)]


def mark(title: str, cases: Sequence[Case], firings: Sequence[Firing]) -> None:
    """Print what came of each condition, and the sums."""
    right = false = missed = 0
    print(title)
    for number, case in enumerate(cases, 1):
        mine = [firing for firing in firings if firing.number == number]
        hits = [f for f in mine if any(low <= f.time < high for low, high in case.true)]
        unmet = [s for s in case.true if not any(s[0] <= f.time < s[1] for f in mine)]
        right += len(hits)
        false += len(mine) - len(hits)
        missed += len(unmet)
        told = "; ".join(f"{f.time:.1f} s ({f.likelihood:.2f}: {f.because})" for f in mine)
        good = "ok  " if len(hits) == len(mine) and not unmet else "    "
        print(f"  {good}{case.question}: {told or '-'}")
    print(f"  {right} right, {false} false, {missed} missed, of {len(cases)} questions")


def main() -> None:
    engine = load_engine(Choice(), home())
    mark("sample", CASES, watched(engine, SAMPLE, CASES))
    for name, cases in REAL.items() if len(sys.argv) > 1 else ():
        mark(name, cases, watched(engine, Path(sys.argv[1]) / name, cases))
    told = PROGRAMME_FILE.read_text(encoding="utf-8").strip().split("\n\n")
    for number, (programme, conditions) in enumerate(zip(told, PROGRAMMES, strict=True)):
        cases = [
            Case(question, tuple((STEP * k, STEP * (k + 1)) for k in sorted(true)))
            for question, true in conditions.items()
        ]
        mark(f"programme {number}", cases, read(engine, programme, cases))


if __name__ == "__main__":
    main()
