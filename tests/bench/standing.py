"""False and missed firings of standing questions on the sample clip, on the embedded engine.

    python -m tests.bench.standing

Each condition is known to come true in some scenes of the clip, or in none.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from app.home import SAMPLE, home
from memory.memory import Memory
from pipeline.engine import Choice, load_engine
from pipeline.session import Session
from pipeline.sources import open_source
from pipeline.standing import Firing, StandingQuestions, StandingWatch, WordsAndMeaning


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


def main() -> None:
    engine = load_engine(Choice(), home())
    firings: list[Firing] = []
    standing = StandingQuestions(WordsAndMeaning(engine.embed))
    numbers = {standing.add(case.question): case for case in CASES}
    with Memory.open(None, engine.embed) as memory:
        session = Session(open_source(str(SAMPLE)), engine, memory)
        lock = threading.Lock()

        def fired(firing: Firing) -> None:
            with lock:
                firings.append(firing)

        certain = engine.senses.certain_above
        with StandingWatch(standing, session.events, certain, fired), session:
            session.wait()
    right = false = missed = 0
    for number, case in numbers.items():
        mine = [firing for firing in firings if firing.number == number]
        hits = [f for f in mine if any(low <= f.time < high for low, high in case.true)]
        unmet = [s for s in case.true if not any(s[0] <= f.time < s[1] for f in mine)]
        right += len(hits)
        false += len(mine) - len(hits)
        missed += len(unmet)
        told = "; ".join(f"{f.time:.1f} s ({f.likelihood:.2f}: {f.because})" for f in mine)
        mark = "ok  " if len(hits) == len(mine) and not unmet else "    "
        print(f"{mark}{case.question}: {told or '-'}")
    print(f"{right} right, {false} false, {missed} missed, of {len(CASES)} questions")


if __name__ == "__main__":
    main()
