"""Latency of the demo: from a word's end to its line, from a question to its first token.

    python -m tests.bench.live [SESSIONS ...]

Plays the sample clip at its own pace in so many sessions at once (by default 1, then 3) on
the embedded engine, and asks each of them at three moments.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from app.home import SAMPLE, home
from app.web.room import Room, Wanted
from app.web.rooms import Rooms
from app.web.sharing import shared
from memory.segment import Utterance
from pipeline.engine import Choice, Engine, load_engine

QUESTIONS = {
    17.0: "What is the cat called?",
    34.0: "What does the coffee cost?",
    55.0: "Where does the rocket lift off?",
}
END = 62.0


def watch(room: Room, lines: list[float], tokens: list[float], lags: list[float]) -> None:
    """Follow one room as the page does, and ask it."""
    room.look()
    room.play(0.0, True)
    seen, asked = 0, dict(QUESTIONS)
    asking: list[threading.Thread] = []
    while room.playhead.position < END:
        position = room.playhead.position
        for event in room.session.events(seen, timeout=0.05):
            seen = event.number
            if isinstance(event.what, Utterance):
                lines.append(room.playhead.position - event.what.end)
        lags.append(position - room.session.status.time)
        for at in [at for at in asked if at <= position]:
            thread = threading.Thread(target=ask, args=(room, asked.pop(at), tokens))
            thread.start()
            asking.append(thread)
    for thread in asking:
        thread.join(60)


def ask(room: Room, question: str, tokens: list[float]) -> None:
    began = time.perf_counter()
    pieces = room.say(room.ask(question))
    next(pieces, None)
    tokens.append(time.perf_counter() - began)
    for _ in pieces:
        pass


def measure(engine: Engine, count: int) -> None:
    lines: list[float] = []
    tokens: list[float] = []
    lags: list[float] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Rooms(shared(engine), Path(folder), most=count) as rooms,
    ):
        open_rooms = [rooms.open(Wanted("file", str(SAMPLE), "sample")) for _ in range(count)]
        threads = [
            threading.Thread(target=watch, args=(room, lines, tokens, lags)) for room in open_rooms
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(f"{count} session{'s' if count > 1 else ''}")
    for name, values in (
        ("a word's end to its line", lines),
        ("question to first token", tokens),
        ("watching behind the clip", lags),
    ):
        if values:
            middle, worst = statistics.median(values), max(values)
            print(f"  {name:<26} median {middle:5.2f} s, worst {worst:5.2f} s ({len(values)})")


def main() -> None:
    engine = load_engine(Choice(), home())
    for count in [int(each) for each in sys.argv[1:]] or [1, 3]:
        measure(engine, count)


if __name__ == "__main__":
    main()
