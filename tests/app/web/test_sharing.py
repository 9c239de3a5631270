"""Models shared by many streams: one call at a time, in the order of asking."""

from __future__ import annotations

import threading
import time

from app.web.sharing import in_turn, shared
from pipeline.turns import Turns
from tests.app.web.fakes import fake_engine


def test_turns_are_had_in_the_order_of_asking():
    turns = Turns()
    had: list[int] = []
    threads = []

    def ask(number: int) -> None:
        with turns:
            had.append(number)

    with turns:
        for number in range(5):
            threads.append(threading.Thread(target=ask, args=(number,)))
            threads[-1].start()
            while turns.waiting <= number:
                time.sleep(0.001)
    for thread in threads:
        thread.join(5)
    assert had == [0, 1, 2, 3, 4]


def test_a_stream_that_asks_again_and_again_does_not_starve_another():
    model = in_turn(Counting())
    stop = threading.Event()
    done = {"busy": 0, "other": 0}

    def keep(name: str) -> None:
        while not stop.is_set():
            model.look()
            done[name] += 1

    threads = [threading.Thread(target=keep, args=(name,)) for name in done]
    for thread in threads:
        thread.start()
    while min(done.values()) < 20:
        time.sleep(0.001)
    stop.set()
    for thread in threads:
        thread.join(5)
    assert max(done.values()) - min(done.values()) <= 0.5 * max(done.values())
    assert model.most == 1, "never two calls at once"


def test_a_model_that_fails_gives_up_its_turn():
    model = in_turn(Counting())
    for _ in range(2):
        try:
            model.fail()
        except ValueError:
            continue
        raise AssertionError("the failure was swallowed")
    assert model.look() is None


def test_an_engine_is_shared_with_all_else_as_it_was():
    engine = fake_engine()
    both = shared(engine)
    assert both.embed is engine.embed
    assert both.senses.certain_above == engine.senses.certain_above
    assert both.senses.reading.recognise([None]) == engine.senses.reading.recognise([None])


class Counting:
    def __init__(self) -> None:
        self.now = 0
        self.most = 0

    def look(self) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        time.sleep(0.001)
        self.now -= 1

    def fail(self) -> None:
        raise ValueError("no")
