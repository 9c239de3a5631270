"""Puts a question before the reasoner with what memory holds of it."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Sequence
from dataclasses import replace

from memory.memory import Memory
from memory.naming import named
from memory.recall import Embed
from memory.segment import Gap, Segment, Turn
from memory.short_term import ShortTerm
from memory.store import StoreError
from memory.time_expressions import parse
from models.gaze.answers import understand
from models.gaze.history import History
from models.reasoning.reasoner import Evidence, Exchange, Passage, Reasoner
from pipeline.answer import Answer, AskError
from pipeline.events import Remark
from pipeline.evidence import line, passage
from pipeline.gaze_questions import GazeReply, by_meaning, gaze_passage, history, reply
from pipeline.watcher import Watched

RECALLED = 6
"""Segments put in full before the reasoner because the question's words point to them."""

LATEST = 2
"""And because they are the latest."""

MOST_GAPS = 8
"""Gaps told of a stretch that is asked about."""

TOUCHING = 0.01
"""Seconds up to which one gap follows another without anything between."""

HISTORY = 4
"""Earlier exchanges put before the reasoner."""

LOOKED_BACK = 500
"""Latest segments whose records of gaze answer a question about gaze."""


class Asker:
    """Answers from one memory. Safe to use from any thread.

    Args:
        certain_above: confidence from which a label is taken as fact.
        emit: told where an exchange could not be remembered.
        pictures: of the latest segments, for a reasoner that looks at them.
    """

    def __init__(
        self,
        memory: Memory,
        reasoner: Reasoner,
        certain_above: float,
        embed: Embed,
        emit: Callable[[Remark], None] = lambda remark: None,
        pictures: ShortTerm | None = None,
    ) -> None:
        self._memory = memory
        self._reasoner = reasoner
        self._certain_above = certain_above
        self._embed = embed
        self._emit = emit
        self._pictures = pictures

    def ask(
        self,
        question: str,
        options: Sequence[str],
        time: float,
        current: Sequence[Watched],
        conversing: bool,
    ) -> Answer:
        """Answer from what was known at stream ``time``.

        Args:
            options: texts to choose from; empty for a free answer.
            current: the stretch of each source that memory does not hold yet, if any.
            conversing: with regard to earlier questions, and to be remembered with them.

        Raises:
            AskError: the question is empty, or nothing had been seen by then.
        """
        began = clock.perf_counter()
        question = question.strip()
        if not question:
            raise AskError("the question is empty: say what you want to know")
        names = dict.fromkeys([*self._memory.sources, *(w.segment.source for w in current)])
        rest, wanted = named(question, tuple(names))
        sources = tuple(wanted or names)
        current = [watched for watched in current if watched.segment.source in sources]
        chosen, passages = self._chosen(question, options, time, current, sources)
        if not passages:
            whose = f" at {', '.join(sources)}" if wanted else ""
            raise AskError(f"nothing had been seen or heard{whose} by {time:.1f} s: ask later")
        said = parse(rest, time, passages[0].start, self._memory.wall_clock)
        focus = None if said.start is None or said.end is None else (said.start, said.end)
        passages = self._with_gaps(passages, focus, time)
        earlier = self._earlier(question, time) if conversing else ()
        looks = self._looks(question, time, current)
        told = () if looks is None else gaze_passage(looks, time)
        evidence = Evidence(time, (*told, *passages), earlier, said.rest, focus)

        def finished(answer: Answer) -> None:
            if conversing and answer.text:
                used = tuple(
                    s.index
                    for s in chosen
                    if any(a <= s.end and b >= s.start for a, b in answer.spans)
                )
                self._remember(Turn(time, question, answer.text, segments=used))

        answer = Answer(question, time, passages, began, finished)
        looked = self._by_gaze(question, options, time, looks)
        if looked is not None and (looked.probabilities if options else looked.text):
            answer.was_looked_at(looked, options)
        elif options:
            answer.will_choose(options, lambda: self._reasoner.choose(question, options, evidence))
        else:
            answer.will_say(
                lambda: self._reasoner.answer(question, evidence, lambda: answer.cancelled)
            )
        return answer

    def _chosen(
        self,
        question: str,
        options: Sequence[str],
        time: float,
        current: Sequence[Watched],
        sources: Sequence[str],
    ) -> tuple[list[Segment], tuple[Passage, ...]]:
        """The segments of memory for one question, and all passages for it, in time order; of
        ``sources`` alone, and nothing in them is later than ``time``."""
        found = {r.segment.index: r.segment for r in self._memory.recall(question, time, RECALLED)}
        for option in options:
            for recalled in self._memory.recall(f"{question} {option}", time, 1):
                found.setdefault(recalled.segment.index, recalled.segment)
        for source in sources:
            latest = self._memory.latest(LATEST, time, source)
            found.update((segment.index, segment) for segment in latest)
        chosen = sorted(found.values(), key=lambda segment: (segment.start, segment.index))
        kept = self._pictures
        passages = [
            passage(s, self._certain_above, () if kept is None else kept.get(s.index, time))
            for s in chosen
        ]
        for watched in current:
            known = watched.segment.as_of(time)
            if known is not None and known.end > known.start:
                pictures = tuple(picture for picture in watched.pictures if picture.time <= time)
                sound = watched.sound if known is watched.segment else None
                passages.append(passage(known, self._certain_above, pictures, sound))
        return chosen, tuple(sorted(passages, key=lambda passage: passage.start))

    def _with_gaps(
        self, passages: tuple[Passage, ...], focus: tuple[float, float] | None, time: float
    ) -> tuple[Passage, ...]:
        """``passages`` and, of the stretch that is asked about, what was missing in it."""
        if focus is None:
            return passages
        whole: list[Gap] = []
        latest: dict[str, int] = {}  # by reason, its place in ``whole``
        for gap in self._memory.gaps(*focus):
            shared = min(gap.end, focus[1]) - max(gap.start, focus[0])
            if gap.known_at > time or shared < TOUCHING:
                continue
            place = latest.get(gap.reason)
            if place is not None and abs(whole[place].end - gap.start) < TOUCHING:
                whole[place] = replace(whole[place], end=gap.end)  # it was told piece by piece
            else:
                latest[gap.reason] = len(whole)
                whole.append(gap)
        told = {(w.start, w.end, w.text) for each in passages for w in each.lines}
        lines = [words for gap in whole if (words := line(gap, self._certain_above)) is not None]
        missing = tuple(w for w in lines if (w.start, w.end, w.text) not in told)[:MOST_GAPS]
        if not missing:
            return passages
        end = max(words.end for words in missing)
        extra = Passage(min(words.start for words in missing), end, missing, end)
        return tuple(sorted([*passages, extra], key=lambda passage: passage.start))

    def _earlier(self, question: str, time: float) -> tuple[Exchange, ...]:
        """The latest exchanges, and those the question refers to, oldest first."""
        turns = {turn.time: turn for turn in self._memory.turns(time, HISTORY)}
        turns.update((turn.time, turn) for turn in self._memory.relevant_turns(question, time, 1))
        ordered = [turns[at] for at in sorted(turns)]
        return tuple(Exchange(t.time, t.question, t.answer) for t in ordered)

    def _looks(self, question: str, time: float, current: Sequence[Watched]) -> History | None:
        """What was looked at and in view, where the question is about that."""
        if understand(question) is None:
            return None
        segments = self._memory.latest(LOOKED_BACK, time)
        open_ones = (watched.segment.as_of(time) for watched in current)
        segments += [known for known in open_ones if known is not None]
        return history(segments, time, self._certain_above)

    def _by_gaze(
        self, question: str, options: Sequence[str], time: float, looks: History | None
    ) -> GazeReply | None:
        """What the records of gaze say to the question; None where they, or it, say nothing."""
        if looks is None:
            return None
        return reply(question, looks, time, options, by_meaning(self._embed))

    def _remember(self, turn: Turn) -> None:
        try:
            self._memory.remember(turn)
        except StoreError as error:
            self._emit(Remark(turn.time, "error", str(error)))
