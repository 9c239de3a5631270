"""The running context never holds a live stream up, and says what it left out."""

from __future__ import annotations

import threading

from memory.memory import Memory
from memory.segment import Note
from models.reasoning.reasoner import Passage
from pipeline.context import BACKLOG, ContextThread
from pipeline.events import Remark
from tests.pipeline.fakes import Echo, hashed


class Slow(Echo):
    """Reads a passage only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = threading.Event()
        self.began = threading.Event()

    def watch(self, passage: Passage) -> None:
        self.began.set()
        assert self.let.wait(20)
        if passage.start == 0.0:
            raise RuntimeError("out of memory")
        super().watch(passage)


def passage(number: int) -> Passage:
    return Passage(10.0 * number, 10.0 * number + 10, (), 10.0 * number + 10)


def test_a_live_stream_does_not_wait_for_a_context_that_is_behind() -> None:
    told: list[Note | Remark] = []
    reasoner = Slow()
    with Memory.open(None, hashed) as memory:
        context = ContextThread(
            reasoner, memory, lambda what, *source: told.append(what), lambda: 0.0
        )
        context.start()
        context.put(passage(0), 0, wait=False)
        assert reasoner.began.wait(10)
        for number in range(1, BACKLOG + 6):  # would wait for ever, were it not live
            context.put(passage(number), number, wait=False)
        assert context.faults == {"keeping up": 5}
        reasoner.let.set()
        context.drain()
        assert [p.start for p in reasoner.watched] == [10.0 * n for n in range(6, BACKLOG + 6)]
        assert context.faults == {"keeping up": 5, "thinking": 1}
        remarks = [r.text for r in told if isinstance(r, Remark)]
        assert sum("not read into the running context" in text for text in remarks) == 5
        assert any("out of memory" in text for text in remarks)
        assert context.close(10)
