"""A finished session, asked about without its source."""

from __future__ import annotations

from collections.abc import Sequence

from memory.memory import Memory
from pipeline.answer import Answer, AskError
from pipeline.asker import Asker
from pipeline.engine import Engine
from pipeline.evidence import passage

REPLAYED = 200
"""Latest segments of an earlier session that are read into the running context again."""


class Recollection:
    """Reads the latest of ``memory`` into a fresh running context and answers from it all.

    Raises:
        AskError: the session holds nothing.
    """

    def __init__(self, engine: Engine, memory: Memory) -> None:
        past = memory.latest(REPLAYED)
        if not past:
            raise AskError("this session holds nothing yet: watch something into it first")
        reasoner = engine.new_reasoner(None)
        for segment in past:
            reasoner.watch(passage(segment, engine.senses.certain_above))
        self.end = max(segment.known_at for segment in past)
        self._asker = Asker(memory, reasoner, engine.senses.certain_above, engine.embed)

    def ask(
        self,
        question: str,
        options: Sequence[str] = (),
        at: float | None = None,
        history: bool = True,
    ) -> Answer:
        """Answer from what was known at stream time ``at``, by default at the session's end.

        Raises:
            AskError: the question is empty, or nothing had been seen by then.
        """
        time = self.end if at is None else min(at, self.end)
        return self._asker.ask(question, options, time, (), history)
