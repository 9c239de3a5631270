"""The remote engine: a model on a server, which keeps what it has read of a stream."""

from __future__ import annotations

import logging
import math
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.media import SAMPLE_RATE
from models.reasoning.multimodal import words
from models.reasoning.reasoner import Counts, Evidence, Passage, Reply, Span
from models.reasoning.remote.abilities import Abilities
from models.reasoning.remote.parts import CLOSE, FAST, Medium, picture, plain, sound
from models.reasoning.remote.past import TURN, Block, Past, Tariff
from models.reasoning.remote.server import Message, Server, Usage
from models.reasoning.remote.slots import Cancelled

log = logging.getLogger("onlooker.remote")

ANSWER_TOKENS = 256
NOTE_TOKENS = 60

FAST_PICTURES = 2
"""Pictures of a passage that stay in the context."""

CLOSE_PICTURES = 4
"""Larger ones of a passage, kept for questions."""

SHOWN = 8
"""Larger pictures put before one question."""

SOUND_SECONDS = 30.0
"""Of sound put before one question, the latest of what was recalled."""

DETAIL_BYTES = 32 * 2**20
"""Of larger pictures and sound kept for a stream."""

LIKELY = 20
"""First tokens asked for; no server gives more by default."""

COLD = 16
"""Notes asked for without the past after one for which the server had to read it anew."""

SHORT = 1000
"""Tokens of a past that may be read anew at any time."""

MISSING = 2.0
"""Nats below the least likely token told, for an option that is not among them."""


@dataclass(frozen=True, slots=True)
class Detail:
    """What is kept of a passage for questions about it."""

    pictures: tuple[Medium, ...]
    sound: Medium | None

    @property
    def nbytes(self) -> int:
        return sum(len(m.data) for m in (*self.pictures, *filter(None, [self.sound])))


class RemoteReasoner:
    """See :class:`models.reasoning.reasoner.Reasoner`. One thread watches (``watch``,
    ``note``); any may ask meanwhile.

    Watching needs no server: the past is kept here, and sent with each question. A server with
    a prefix cache reads only what is new in it. Notes are asked for with the past before them,
    so that the server has read it before a question comes; as long as its own counts show that
    it keeps it. One that serves more streams than its cache holds is shown the passage alone.

    Args:
        answer_tokens: most tokens of an answer.
    """

    def __init__(self, server: Server, answer_tokens: int = ANSWER_TOKENS) -> None:
        self._server = server
        self._answer_tokens = answer_tokens
        self._past = Past(self._budget(None))
        self._fitted: Abilities | None = None
        self._details: OrderedDict[Span, Detail] = OrderedDict()
        self._details_lock = threading.Lock()
        self._cold = 0  # notes still to be asked for without the past
        self._noted = 0  # rebuilds at the last note: the next one after another is read anew
        self.usage = Usage()

    @property
    def name(self) -> str:
        return self._server.name

    @property
    def down(self) -> bool:
        """Whether the server could not be reached a moment ago."""
        return self._server.down

    @property
    def context_tokens(self) -> tuple[int, int]:
        """Estimated: the server alone has the tokeniser."""
        return self._past.tokens, self._past.budget

    @property
    def takes_pictures(self) -> bool:
        able = self._server.known
        return able is None or able.picture_tokens > 0

    def see(self, image: NDArray[np.uint8], time: float) -> None:
        """There is nothing to begin with."""

    def idle(self) -> bool:
        """There is nothing due."""
        return False

    @property
    def rebuilds(self) -> int:
        """How many times the past was consolidated; the server read it anew each time."""
        return self._past.rebuilds

    def watch(self, passage: Passage) -> None:
        self._fit()
        told = plain(words.told(passage.lines))
        small = _some(passage.frames, FAST_PICTURES) if self.takes_pictures else []
        block = Block(
            span=passage.span,
            known_at=passage.known_at,
            heading=plain(words.heading(passage)),
            told=told,
            pictures=tuple(picture(frame, max(FAST)) for frame in small),
            brief=told,
        )
        self._past.append(block)
        detail = _detail(passage, self._server.known)
        if detail.nbytes:
            self._keep(block.span, detail)

    def answer(
        self,
        question: str,
        evidence: Evidence,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Reply:
        counts = Counts()

        def speak() -> Iterator[str]:
            try:
                able = self._server.abilities(cancelled)
            except Cancelled:
                return
            asked = words.asked(question, evidence.time)
            messages = self._messages(able, asked, evidence, counts)
            usage = Usage()
            try:
                for piece in self._server.stream(messages, self._answer_tokens, cancelled, usage):
                    counts.generated += 1
                    yield piece
            finally:
                self._settle(counts, usage)

        return Reply(speak(), counts)

    def choose(
        self, question: str, options: Sequence[str], evidence: Evidence
    ) -> tuple[list[float], Counts]:
        """By the likelihood of each option's letter, where the server tells it. Where it does
        not, the option that it names has all of the probability.

        Raises:
            ReasonerError: the server gives no answer, or there are more options than letters.
        """
        counts, usage = Counts(), Usage()
        asked = words.asked(words.multiple_choice(question, options), evidence.time)
        able = self._server.abilities()
        messages = self._messages(able, asked, evidence, counts)
        likely: list[float] | None = None
        if able.logprobs:
            told = self._server.first_token(messages, usage, LIKELY)
            likely = _by_letter(told, len(options))
        if likely is None:
            said = self._server.whole(messages, NOTE_TOKENS, usage)
            likely = _named(said, options)
        self._settle(counts, usage)
        return likely, counts

    def note(self, passage: Passage) -> str:
        """One line about a passage; nothing while the server is away or busy with questions, or
        where no notes are wanted."""
        if self._server.down or not self._server.endpoint.notes:
            return ""
        able = self._server.abilities()
        self._fit()
        warm = self._server.caches and self._cold == 0
        # What is known by then is the past up to this passage; by no time, there is none.
        evidence = Evidence(passage.known_at, ()) if warm else Evidence(-math.inf, (passage,))
        rebuilds, usage = self._past.rebuilds, Usage()
        messages = self._messages(able, words.note(passage), evidence, Counts())
        said = self._server.aside(messages, NOTE_TOKENS, usage)
        if said is None:
            return ""
        self.usage = usage
        if not warm:
            self._cold = max(0, self._cold - 1)
        elif usage.prompt > SHORT and 2 * usage.cached < usage.prompt and rebuilds == self._noted:
            self._cold = COLD
        self._noted = rebuilds
        line = words.one_line(said)
        if line:
            self._past.shorten(passage.span, f"note: {plain(words.quoted(line))}\n")
        return line

    def _fit(self) -> None:
        """Once the server has said what it holds and what a picture costs there."""
        able = self._server.known
        if able is None or able is self._fitted:
            return
        self._fitted = able
        tariff = Tariff(able.picture_tokens, able.sound_tokens)
        self._past.fit(self._budget(able.context), tariff)

    def _budget(self, held: int | None) -> int:
        """Tokens of the past: what a question brings besides must fit, too."""
        most = self._server.endpoint.context_tokens
        return most if held is None else min(most, (held - self._answer_tokens) * 2 // 3)

    def _messages(
        self, able: Abilities, asked: str, evidence: Evidence, counts: Counts
    ) -> list[Message]:
        """The past, and only then whatever differs from question to question."""
        self._fit()
        blocks = self._past.view(evidence.time)
        tariff = self._past.tariff
        past = [_block(able, block) for block in blocks]
        detail, slow = self._evidence(able, evidence)
        question = _text(plain(asked))
        counts.fast = sum(block.cost(tariff) for block in blocks)
        counts.slow = slow
        counts.text = TURN + tariff.text(words.SYSTEM + asked)
        turns: list[Message] = []
        for earlier in evidence.history:
            turns.append(_message("user", [_text(plain(earlier.question))]))
            turns.append(_message("assistant", [_text(plain(earlier.answer) or "-")]))
        turns.append(_message("user", [*detail, question]))
        if able.in_a_row:
            opening = [_message("system", [_text(words.SYSTEM)]), _message("user", [_BEGIN])]
            return [*opening, *(_message("user", parts) for parts in past), *turns]
        first = turns[0]["content"]
        before = [part for parts in past for part in parts]
        parts = first if isinstance(first, list) else [_text(first)]
        opened = [_text(f"{words.SYSTEM}\n"), _BEGIN, *before, *parts]
        return [_message("user", opened), *turns[1:]]

    def _evidence(self, able: Abilities, evidence: Evidence) -> tuple[list[Any], int]:
        """What is put before the question: recalled passages in words, the latest of them with
        larger pictures and their sound; and its tokens."""
        tariff = self._past.tariff
        shown: list[list[Any]] = []
        pictures, seconds, cost = SHOWN, SOUND_SECONDS, 0
        for passage in reversed(evidence.passages):
            detail = self._kept(passage) or _detail(passage, able)
            close = detail.pictures[:pictures] if able.picture_tokens else ()
            pictures -= len(close)
            heard = detail.sound if able.sound_tokens else None
            if heard is not None and heard.size > seconds:
                heard = None
            seconds -= 0.0 if heard is None else heard.size
            media = [*close, *filter(None, [heard])]
            text = plain(words.told(passage.lines))
            heading = plain(words.heading(passage))
            shown.append([_text(heading), *(m.part(able.ids) for m in media), _text(text)])
            cost += tariff.text(heading + text) + sum(tariff.medium(m) for m in media)
        if not shown:
            return [], 0
        return [_text(words.DETAIL), *(part for parts in reversed(shown) for part in parts)], cost

    def _kept(self, passage: Passage) -> Detail | None:
        with self._details_lock:
            return self._details.get(passage.span)

    def _keep(self, span: Span, detail: Detail) -> None:
        with self._details_lock:
            self._details[span] = detail
            held = sum(each.nbytes for each in self._details.values())
            while held > DETAIL_BYTES and len(self._details) > 1:
                held -= self._details.popitem(last=False)[1].nbytes

    def _settle(self, counts: Counts, usage: Usage) -> None:
        """The estimates put right by what the server counted."""
        if usage.prompt:
            estimated = counts.fast + counts.slow + counts.text
            self._past.tariff = self._past.tariff.corrected(usage.prompt / estimated)
            counts.fast = round(counts.fast * usage.prompt / estimated)
            counts.slow = round(counts.slow * usage.prompt / estimated)
            counts.text = usage.prompt - counts.fast - counts.slow
        counts.generated = usage.generated or counts.generated
        self.usage = usage


def _detail(passage: Passage, able: Abilities | None) -> Detail:
    frames = [] if able is not None and not able.picture_tokens else passage.frames
    heard = None
    audio = passage.audio
    if (able is None or able.sound_tokens) and audio is not None:
        heard = sound(audio) if len(audio) >= SAMPLE_RATE // 10 else None
    return Detail(tuple(picture(frame, CLOSE) for frame in _some(frames, CLOSE_PICTURES)), heard)


def _some(frames: Sequence[Any], most: int) -> list[Any]:
    """At most so many, evenly spread."""
    count = min(most, len(frames))
    return [frames[(2 * i + 1) * len(frames) // (2 * count)] for i in range(count)]


def _block(able: Abilities, block: Block) -> list[Any]:
    shown = block.pictures if able.picture_tokens else ()
    return [_text(block.heading), *(p.part(able.ids) for p in shown), _text(block.told)]


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


_BEGIN = _text(words.BEGIN)


def _message(role: str, parts: Sequence[dict[str, Any]]) -> Message:
    """Text that stands together is one part, and a message of text alone is a string, which
    every server takes."""
    joined: list[dict[str, Any]] = []
    for part in parts:
        if part["type"] == "text" and joined and joined[-1]["type"] == "text":
            joined[-1] = _text(joined[-1]["text"] + part["text"])
        elif part["type"] != "text" or part["text"]:
            joined.append(part)
    if all(part["type"] == "text" for part in joined):
        return {"role": role, "content": "".join(part["text"] for part in joined)}
    return {"role": role, "content": joined}


def _by_letter(told: Sequence[tuple[str, float]], count: int) -> list[float] | None:
    """The options' shares by the log-probabilities of the first token; None where none of them
    is among those told."""
    found: list[float | None] = [None] * count
    for token, logprob in told:
        letter = token.strip(" \n▁Ġ").upper()
        index = ord(letter) - ord("A") if len(letter) == 1 else -1
        if 0 <= index < count:
            before = found[index]
            found[index] = logprob if before is None else _logadd(before, logprob)
    if all(each is None for each in found):
        return None
    least = min(logprob for _, logprob in told) - MISSING
    nats = [least if each is None else each for each in found]
    most = max(nats)
    shares = [math.exp(each - most) for each in nats]
    return [share / sum(shares) for share in shares]


def _logadd(a: float, b: float) -> float:
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))


def _named(said: str, options: Sequence[str]) -> list[float]:
    """The option that a reply names, by letter or in words, has it all; where it names none, or
    several, they are as likely as each other."""
    letters = {words.letter(i): i for i in range(len(options))}
    begins = re.match(r"\W*([A-Z])(?:[.):]|\W*$)", said)
    named = {letters[begins[1]]} if begins and begins[1] in letters else set()
    if not named:
        spoken = said.casefold()
        named = {i for i, option in enumerate(options) if option.casefold() in spoken}
    if len(named) != 1:
        log.warning("the server named no option, but said: %.80s", said)
        return [1.0 / len(options)] * len(options)
    return [float(i in named) for i in range(len(options))]
