"""Puts a question before the reasoner with what memory holds of it."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Sequence

from memory.memory import Memory
from memory.segment import Turn
from memory.store import StoreError
from models.reasoning.reasoner import Evidence, Exchange, Passage, Reasoner
from pipeline.answer import Answer, AskError
from pipeline.events import Remark
from pipeline.evidence import passage
from pipeline.watcher import Watched

RECALLED = 6
"""Segments put in full before the reasoner because the question's words point to them."""

LATEST = 2
"""And because they are the latest."""

HISTORY = 4
"""Earlier exchanges put before the reasoner."""


class Asker:
    """Answers from one memory. Safe to use from any thread.

    Args:
        certain_above: confidence from which a label is taken as fact.
        emit: told where an exchange could not be remembered.
    """

    def __init__(
        self,
        memory: Memory,
        reasoner: Reasoner,
        certain_above: float,
        emit: Callable[[Remark], None] = lambda remark: None,
    ) -> None:
        self._memory = memory
        self._reasoner = reasoner
        self._certain_above = certain_above
        self._emit = emit

    def ask(
        self,
        question: str,
        options: Sequence[str],
        time: float,
        current: Watched | None,
        history: bool,
    ) -> Answer:
        """Answer from what was known at stream ``time``.

        Args:
            options: texts to choose from; empty for a free answer.
            current: the stretch that memory does not hold yet, if any.
            history: with regard to earlier questions, and to be remembered with them.

        Raises:
            AskError: the question is empty, or nothing had been seen by then.
        """
        began = clock.perf_counter()
        question = question.strip()
        if not question:
            raise AskError("the question is empty: say what you want to know")
        passages = self._chosen(question, options, time, current)
        if not passages:
            raise AskError(f"nothing had been seen or heard by {time:.1f} s: ask again later")
        earlier = self._memory.turns(time)[-HISTORY:] if history else []
        evidence = Evidence(
            time, passages, tuple(Exchange(t.time, t.question, t.answer) for t in earlier)
        )

        def finished(answer: Answer) -> None:
            if history and answer.text:
                self._remember(Turn(time, question, answer.text))

        answer = Answer(question, time, passages, began, finished)
        if options:
            answer.will_choose(options, lambda: self._reasoner.choose(question, options, evidence))
        else:
            answer.will_say(
                lambda: self._reasoner.answer(question, evidence, lambda: answer.cancelled)
            )
        return answer

    def _chosen(
        self, question: str, options: Sequence[str], time: float, current: Watched | None
    ) -> tuple[Passage, ...]:
        """The passages for one question, in time order; nothing in them is later than ``time``."""
        found = {r.segment.index: r.segment for r in self._memory.recall(question, time, RECALLED)}
        for option in options:
            for recalled in self._memory.recall(f"{question} {option}", time, 1):
                found.setdefault(recalled.segment.index, recalled.segment)
        found.update((segment.index, segment) for segment in self._memory.latest(LATEST, time))
        passages = [passage(found[index], self._certain_above) for index in sorted(found)]
        known = None if current is None else current.segment.as_of(time)
        if current is not None and known is not None and known.end > known.start:
            pictures = tuple(picture for picture in current.pictures if picture.time <= time)
            sound = current.sound if known is current.segment else None
            passages.append(passage(known, self._certain_above, pictures, sound))
        return tuple(passages)

    def _remember(self, turn: Turn) -> None:
        try:
            self._memory.remember(turn)
        except StoreError as error:
            self._emit(Remark(turn.time, "error", str(error)))
