"""How each kind of question is put: which stretch of video, how often, and what counts.

:func:`play` is a conversation: it yields requests and is sent the replies, and returns the
result. So the same rules serve both modes, and whoever drives it decides what is watched.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from app.scoring.candidate import Ask, Response
from app.scoring.extraction import yes_or_no
from app.scoring.prompts import Prompts
from app.scoring.questions import LETTERS, Kind, Question
from app.scoring.results import Result, marked, marked_proactive

POLL_EVERY = 1.0
"""Seconds between two polls of a proactive question."""

POLL_PAST = 4.0
"""Seconds past the truth up to which a proactive question is polled."""

YES_NO = ("Yes", "No")

Conversation = Generator[Ask, Response, Result]

REPLIES = {
    False: (
        "An engine that can choose by probability among the options does so, and its letter is "
        "its reply by both rules; the wording of its prompt is then its own."
    ),
    True: "In words, to the whole prompt, as published; no choice by probability.",
}
"""How replies are asked for, by :func:`play`'s ``free``."""

STATEMENT = {
    "clip": (
        "The model is given the video from the start of the question's window to the question's "
        "time t and nothing later, in a new session for every request; but an engine that watches "
        "causally is asked in one session, in the order of their times, what begins at the same "
        "second of a video, without regard to earlier questions. Times are exact: where a "
        "benchmark's own scripts round t up to a whole second, we do not."
    ),
    "stream": (
        "The video is watched once, causally, from its beginning; its questions are asked as "
        "their times pass. Context windows do not apply: the memory decides what is kept. This "
        "is not the published way; compare with it knowing that."
    ),
}


def play(question: Question, prompts: Prompts, free: bool = False) -> Conversation:
    """Put one question by its benchmark's protocol.

    Args:
        question: what is asked.
        prompts: the wording.
        free: ask for replies in words, as published, where an engine could choose by
            probability.

    A proactive question is polled from one second after it was put, every second, to four
    seconds past the truth; on the first reply that contains "yes" its output is asked for.
    """
    if question.kind is Kind.PROACTIVE:
        return (yield from _proactive(question, prompts, free))
    options = YES_NO if question.kind is Kind.YES_NO else question.options
    response = yield Ask(
        id=question.id,
        start=beginning(question),
        time=question.time,
        prompt=prompts.of(question),
        question=prompts.bare(question),
        options=options,
        kind=question.kind,
        free=free,
    )
    reply, choice = response.text, ""
    if response.chosen is not None:
        # An engine that chooses by probability replies with its choice.
        if question.kind is Kind.CHOICE:
            reply = choice = LETTERS[response.chosen]
        else:
            reply = options[response.chosen]
    return marked(question, reply, choice, **_measured(response, response.seconds, 1))


def beginning(question: Question) -> float:
    """Stream second from which on the published protocol shows the video for a question."""
    if question.kind is Kind.PROACTIVE:
        return question.time
    return 0.0 if question.window is None else max(0.0, question.time - question.window)


def first_time(question: Question) -> float:
    """Stream seconds of the first request that :func:`play` will make."""
    late = POLL_EVERY if question.kind is Kind.PROACTIVE else 0.0
    return question.time + late


def _proactive(question: Question, prompts: Prompts, free: bool) -> Conversation:
    spent: list[float] = []
    last: tuple[float, Response, str] | None = None
    asks = 0
    for now in _polls(question):
        response = yield Ask(
            id=f"{question.id}/{asks}",
            start=beginning(question),
            time=now,
            prompt=prompts.poll(question),
            question=prompts.poll(question, bare=True),
            options=YES_NO,
            kind=Kind.YES_NO,
            free=free,
        )
        asks += 1
        spent += [response.seconds] if response.seconds is not None else []
        said = response.text if response.chosen is None else YES_NO[response.chosen]
        last = now, response, said
        if "yes" not in said.strip().lower():
            continue
        output = yield Ask(
            id=f"{question.id}/output",
            start=beginning(question),
            time=now,
            prompt=prompts.output(question),
            question=question.text,
            options=(),
            kind=Kind.PROACTIVE,
        )
        spent += [output.seconds] if output.seconds is not None else []
        return marked_proactive(
            question,
            now,
            True,
            yes_or_no(said) == "yes",
            output.text,
            **_measured(output, sum(spent) if spent else None, asks + 1),
        )
    if last is None:
        return marked_proactive(question, None, False, False, None)
    when, response, said = last
    total = sum(spent) if spent else None
    measured = _measured(response, total, asks)
    return marked_proactive(question, when, False, False, said, **measured)


def _polls(question: Question) -> Iterator[float]:
    assert question.due is not None
    now = question.time + POLL_EVERY
    while now <= question.due + POLL_PAST:
        yield now
        now += POLL_EVERY


def _measured(response: Response, seconds: float | None, asks: int) -> dict[str, Any]:
    return {
        "first_token": response.first_token,
        "seconds": seconds,
        "asks": asks,
        "tokens": dict(response.tokens) if response.tokens else None,
        "evidence": [list(span) for span in response.evidence],
    }
