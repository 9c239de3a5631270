"""The embedded reasoner: a small language model that answers from evidence, and says so.

SmolLM2-135M by itself invents, also after it was trained to read timelines
(:mod:`models.training.mind`), though less. So what it may say is bound to the evidence
(:mod:`models.reasoning.grounding`): where sentences bear on the question it takes a few words of
those (:mod:`models.reasoning.spans`), and quotes them with the time. Where none does, what it says
by itself counts only where a line of the evidence holds it (:mod:`models.reasoning.borne`);
otherwise nothing was seen or heard. Multiple choice weighs how well the evidence supports each
option, and how likely the model takes it to be the answer.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.reasoning import adapter, smollm2, whose
from models.reasoning.borne import bearer, told
from models.reasoning.context import Fork, StreamingContext
from models.reasoning.gate import PriorityGate
from models.reasoning.grounding import (
    Embed,
    Grounds,
    Sentence,
    answering,
    holds,
    support,
    weigh,
)
from models.reasoning.multimodal.chat import plain
from models.reasoning.multimodal.pieces import pieces
from models.reasoning.packed import decode_packed
from models.reasoning.prompt import (
    ASKED,
    END,
    HEAD,
    NOT_SEEN,
    clipped,
    clock,
    distinct,
    earlier,
    shown,
)
from models.reasoning.prompt import question as put
from models.reasoning.reasoner import Counts, Evidence, Line, Passage, Reply
from models.reasoning.rolling import RollingContext
from models.reasoning.spans import spans
from models.text.words import content

TRAINED = Path(__file__).resolve().parent.parent.parent / "assets" / "mind.safetensors"
"""What :mod:`models.training.mind` added to the weights."""

CONTEXT = 4096
"""Tokens of the running context; the model was trained on 8,192."""

CHUNK = 64
"""Tokens of one prefill pass: at some 300 tokens a second, 0.2 s that an answer may wait."""

SLOW = 900
"""Tokens of evidence read in full for one question."""

NOTHING = "I have not seen or heard that."

SHARPNESS = 6.0
"""How strongly a difference in support tells options apart."""

MODEL_SHARE = 0.35
"""Weight of the model's own likelihoods beside the support by the evidence."""

LONGEST = 24
"""Tokens of what the trained model may say by itself."""

SEEN = math.log(0.03)
"""Log-probability of "not seen" up to which the trained model may answer by itself."""

TRAINED_SHARE = 0.2
"""Weight of the trained model's log-probabilities beside the support by the evidence. On made-up
timelines, and on the programmes of ``tests/bench/grounded.py``, 0.1 to 1.5 gives the same."""

_YES_NO = re.compile(
    r"^(?:and |so |then )?(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would)\b",
    re.IGNORECASE,
)
_WHEN = re.compile(r"^(?:at (?:what|which) (?:time|moment|second|minute)|when)\b", re.IGNORECASE)
_OF_EARLIER = re.compile(
    r"\b(i asked|asked (?:you )?(?:before|earlier)|(?:my|the) (?:last|previous|earlier) question"
    r"|you (?:said|told|answered))\b",
    re.IGNORECASE,
)
_MANY = 4
"""Quotations in the answer to a question about everything."""


class EmbeddedModel:
    """The weights, for any number of streams; use :meth:`load`."""

    def __init__(
        self, model: Any, tokenizer: Any, context: int = CONTEXT, trained: bool = False
    ) -> None:
        self.tokenizer = tokenizer
        self.trained = trained
        self.name = f"embedded {smollm2.NAME} 4-bit{', trained on timelines' if trained else ''}"
        self.stop = tokenizer.convert_tokens_to_ids(END)
        self.enders = [self.stop, *(self.ids(mark)[0] for mark in (".", "\n", ","))]
        self._model = model
        self._context = context
        self._gate = PriorityGate()

    @classmethod
    def load(cls, home: Path, added: Path | None = TRAINED) -> EmbeddedModel:
        """Load the weights; what is prepared once is kept under ``home``.

        Args:
            added: what was trained; None for the model as it comes.

        Raises:
            ReasonerError: the package with the weights is missing, ``added`` is missing or
                damaged, or the disk is full.
        """
        model, tokenizer = smollm2.load(home)
        if added is not None:
            adapter.load(model, added, smollm2.NAME)
        decode_packed(model)
        return cls(model, tokenizer, trained=added is not None)

    def reasoner(self, embed: Embed) -> EmbeddedReasoner:
        """A reasoner with an empty running context."""
        return EmbeddedReasoner(self, embed)

    def context(self) -> StreamingContext:
        return StreamingContext(self._model, self._context, CHUNK, self._gate)

    def ids(self, text: str) -> list[int]:
        """The tokens of ``text``, none added."""
        tokens: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return tokens

    def content(self, text: str) -> list[int]:
        """The same of text from outside, in which no control token is read."""
        return self.ids(plain(self.tokenizer, text))


class EmbeddedReasoner:
    """One stream's reasoner, see :class:`models.reasoning.reasoner.Reasoner`."""

    def __init__(self, model: EmbeddedModel, embed: Embed) -> None:
        self._model = model
        self._embed = embed
        self._context = RollingContext(model.context, model.ids(HEAD))

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def context_tokens(self) -> tuple[int, int]:
        return self._context.length, self._context.capacity

    @property
    def takes_pictures(self) -> bool:
        return False

    def see(self, image: NDArray[np.uint8], time: float) -> None:
        """Nothing: it reads words alone."""

    def idle(self) -> bool:
        return False

    def watch(self, passage: Passage) -> None:
        full = self._model.content(shown(passage))[: CONTEXT // 8]
        brief = self._model.content(f"[{clock(passage.start)}] {self.note(passage)}\n")
        self._context.append(full, brief if len(brief) < len(full) else full, passage.known_at)
        while self._context.rebuild_due and self._context.step():
            pass

    def note(self, passage: Passage) -> str:
        """What was said, else read, else seen, in at most some 30 words of its own."""
        parts = []
        heard = [line.text for line in passage.lines if line.kind == "heard"]
        if heard:
            parts.append(f'heard "{clipped(" ".join(heard), 18)}"')
        for kind, most in (("read", 3), ("gaze", 2), ("gap", 1)):
            texts = distinct(line for line in passage.lines if line.kind == kind)[:most]
            if texts:
                parts.append(f"{kind} {clipped(', '.join(texts), 8)}")
        seen = distinct(x for x in passage.lines if x.kind == "seen" and x.certain)[:2]
        if seen:
            parts.append(f"saw {', '.join(seen)}")
        return "; ".join(parts)

    def answer(
        self, question: str, evidence: Evidence, cancelled: Callable[[], bool] = lambda: False
    ) -> Reply:
        if evidence.history and _OF_EARLIER.search(question):
            question = f"{question} {evidence.history[-1].question}"
        if (thing := self._of_whom(question, evidence)) is not None:
            asked = weigh(question, replace(evidence, about=thing), self._embed)
            return _said(*_whose(asked, evidence, self._embed))
        grounds = weigh(question, evidence, self._embed)
        if _WHEN.match(question):
            return _said(*_when(grounds, self._embed))
        if not grounds.topic:
            return _said(*_everything(grounds))
        if _YES_NO.match(question):
            return _said(*_yes_or_no(grounds, evidence))
        found = answering(grounds, self._embed)
        if not found and self._model.trained:
            return self._by_itself(question, grounds, evidence, cancelled)
        if not found:
            return _said(*_nothing(grounds))
        return self._in_their_words(question, grounds, found, evidence, cancelled)

    def choose(
        self, question: str, options: Sequence[str], evidence: Evidence
    ) -> tuple[list[float], Counts]:
        if (thing := self._of_whom(question, evidence)) is not None:
            shares = whose.shares(
                weigh(question, replace(evidence, about=thing), self._embed), options
            )
            if shares is not None:
                scores = [SHARPNESS * share for share in shares]
                return torch.tensor(scores).softmax(0).tolist(), Counts()
        grounds = weigh(question, evidence, self._embed)
        if not grounds.sentences and evidence.focus is not None:
            grounds = weigh(question, replace(evidence, focus=None), self._embed)
        if sorted(option.strip().lower() for option in options) == ["no", "yes"]:
            return _yes_no_chances(grounds, options, evidence), Counts()
        supported = support(grounds, options, self._embed)
        if self._model.trained:
            share = TRAINED_SHARE
            likely, counts = self._read(question, options, grounds, evidence)
        else:
            share = MODEL_SHARE
            likely, counts = self._likelihoods(question, options, grounds, evidence)
        scores = [
            SHARPNESS * by_evidence + share * by_model
            for by_evidence, by_model in zip(supported, likely, strict=True)
        ]
        return torch.tensor(scores).softmax(0).tolist(), counts

    def _of_whom(self, question: str, evidence: Evidence) -> str | None:
        """What a question asks for the source of, where there are several to tell apart."""
        several = len({passage.source for passage in evidence.passages}) > 1
        return whose.about_what(evidence.about or question) if several else None

    def _in_their_words(
        self,
        question: str,
        grounds: Grounds,
        found: list[Sentence],
        evidence: Evidence,
        cancelled: Callable[[], bool],
    ) -> Reply:
        """A few words that the model takes from the sentences found, then the quotation."""
        fork, counts = self._asked(question, grounds, evidence)
        quoted = [sentence.line for sentence in found[:2]]

        def speak() -> Iterator[str]:
            taken = spans(
                fork,
                self._model.tokenizer,
                [plain(self._model.tokenizer, line.text.rstrip(".")) for line in quoted],
                self._model.stop,
                self._model.enders,
                cancelled,
            )
            yield from _news(pieces(self._model.tokenizer, _counted(taken, reply)), question)
            for number, line in enumerate(quoted):
                if cancelled():
                    return
                yield ("" if number == 0 else " ") + _quoted(line)

        reply = Reply(speak(), counts, tuple(quoted))
        return reply

    def _by_itself(
        self,
        question: str,
        grounds: Grounds,
        evidence: Evidence,
        cancelled: Callable[[], bool],
    ) -> Reply:
        """What the trained model says, where it thinks that it was seen or heard and a line bears
        it; the line follows."""
        fork, counts = self._asked(question, grounds, evidence)
        began = time.perf_counter()
        said, lines = _nothing(grounds)
        (unseen,) = fork.score([[*self._model.ids(f" {NOT_SEEN}"), self._model.stop]])
        if unseen <= SEEN:
            tokens = list(fork.generate(LONGEST, [self._model.stop], cancelled))
            counts.generated = len(tokens)
            answer = self._model.tokenizer.decode(tokens)
            line = bearer(answer, evidence)
            if line is not None:
                said, lines = f"{_capitalised(told(answer)[0])}. {_quoted(line)}", [line]
        reply = _said(said, lines)
        return replace(reply, counts=counts, generating=time.perf_counter() - began)

    def _asked(
        self,
        question: str,
        grounds: Grounds,
        evidence: Evidence,
        options: Sequence[str] = (),
    ) -> tuple[Fork, Counts]:
        """A fork of the running context that has read the evidence and the question."""
        view = self._context.view(evidence.time)
        slow = self._model.content("".join(shown(p) for p in _closest(grounds, evidence)))[:SLOW]
        history = "".join(earlier(exchange) for exchange in evidence.history[-2:])
        text = [
            *self._model.content(history + put(question, options)),
            *self._model.ids(ASKED),
        ]
        counts = Counts(fast=view.fork.length, slow=len(slow), text=len(text))
        view.fork.append([*slow, *text])
        return view.fork, counts

    def _read(
        self, question: str, options: Sequence[str], grounds: Grounds, evidence: Evidence
    ) -> tuple[list[float], Counts]:
        """How likely the trained model takes each option to be the answer, as logarithms.

        That nothing of it was seen is always offered, and speaks for no option more than for
        another: where the notes do not tell, the model is not made to guess.
        """
        offered = [*options, NOT_SEEN]
        fork, counts = self._asked(question, grounds, evidence, offered)
        told = fork.score([[*self._model.content(f" {o}"), self._model.stop] for o in offered])
        shares = torch.tensor(told).softmax(0)
        return (shares[:-1] + shares[-1] / len(options)).log().tolist(), counts

    def _likelihoods(
        self, question: str, options: Sequence[str], grounds: Grounds, evidence: Evidence
    ) -> tuple[list[float], Counts]:
        """How much more likely the evidence makes each option, in nats a token (as Holtzman et
        al. 2021, arXiv 2104.08315, weigh answers by their likelihood without the premise)."""
        continuations = [self._model.content(f" {option}") for option in options]
        with_evidence, counts = self._asked(question, grounds, evidence)
        blind = self._context.fork(-math.inf)  # of the head alone, which is there already
        blind.append([*self._model.content(f"Question: {question}"), *self._model.ids(ASKED)])
        told, untold = with_evidence.score(continuations), blind.score(continuations)
        return [
            (a - b) / len(c) for a, b, c in zip(told, untold, continuations, strict=True)
        ], counts


def _counted(ids: Iterator[int], reply: Reply) -> Iterator[int]:
    began = time.perf_counter()
    for token in ids:
        reply.counts.generated += 1
        reply.generating += time.perf_counter() - began
        yield token
        began = time.perf_counter()


def _said(text: str, lines: Sequence[Line] = ()) -> Reply:
    """A reply that no model had to be asked for, word by word."""
    return Reply(iter(re.findall(r"\S+\s*", text)), Counts(), tuple(lines))


def _news(short: Iterator[str], question: str) -> Iterator[str]:
    """A short answer as a sentence, from where it says something that the question does not;
    nothing where it never does."""
    known = set(content(question))
    held, begun, last = "", False, ""
    for piece in short:
        held += piece
        # The last word may not be whole yet: what stands before it decides.
        if not begun and set(content(held.rpartition(" ")[0])) <= known:
            continue
        yield held if begun else _capitalised(held)
        held, begun, last = "", True, held
    if held and set(content(held)) - known:
        yield _capitalised(held)
        begun, last = True, held
    if begun:
        yield " " if last.endswith((".", "!", "?")) else ". "


def _capitalised(text: str) -> str:
    text = text.lstrip()
    return text[:1].upper() + text[1:]


def _nothing(grounds: Grounds) -> tuple[str, list[Line]]:
    near = [s for s in grounds.best[:1] if s.overlap > 0 and s.line.kind != "look"]
    if not near:
        return NOTHING, []
    return f"{NOTHING} The nearest to it: {_quoted(near[0].line)}", [near[0].line]


def _whose(grounds: Grounds, evidence: Evidence, embed: Embed) -> tuple[str, list[Line]]:
    """Of "which camera saw the dog?": its name, and what it saw."""
    found, sure = whose.saw(grounds, evidence, embed)
    if not found:
        return _nothing(grounds)
    names = " and ".join(s.line.source for s in found)
    lines = [s.line for s in found]
    quoted = " ".join(map(_quoted, lines))
    return f"{'' if sure else 'Perhaps '}{names}. {quoted}", lines


def _when(grounds: Grounds, embed: Embed) -> tuple[str, list[Line]]:
    found = answering(grounds, embed)
    if not found:
        return _nothing(grounds)
    line = min((s.line for s in found), key=lambda line: line.start)
    return f"At {clock(line.start)}. {_quoted(line)}", [line]


def _yes_or_no(grounds: Grounds, evidence: Evidence) -> tuple[str, list[Line]]:
    chance, sentence = holds(grounds, evidence)
    if sentence is None or chance < 0.45:
        text, lines = _nothing(grounds)
        return text.replace(NOTHING, "Not that I have seen or heard."), lines
    doubt = "Yes. " if chance >= 0.6 and sentence.line.certain else "Perhaps. "
    return doubt + _quoted(sentence.line), [sentence.line]


def _yes_no_chances(grounds: Grounds, options: Sequence[str], evidence: Evidence) -> list[float]:
    chance, _ = holds(grounds, evidence)
    yes = 1.0 / (1.0 + math.exp(-8.0 * (chance - 0.5)))
    return [yes if option.strip().lower() == "yes" else 1.0 - yes for option in options]


def _everything(grounds: Grounds) -> tuple[str, list[Line]]:
    """Of "what was said?" and the like: the latest of what was asked for, in order."""
    asked_for = grounds.asked_for or frozenset({"heard", "read", "seen", "gaze", "gap"})
    lines = [
        s.line for s in grounds.sentences if s.line.kind in asked_for and s.line.kind != "look"
    ]
    if not lines:
        return NOTHING, []
    sure = [line for line in lines if line.certain] or lines
    shown = sorted(sure, key=lambda line: line.start)[-_MANY:]
    return " ".join(_quoted(line) for line in shown), shown


def _closest(grounds: Grounds, evidence: Evidence) -> list[Passage]:
    """The passages of the best sentences, in time order."""
    wanted = [s.line.start for s in grounds.best[:3]]
    return [p for p in evidence.passages if any(p.start <= t <= p.known_at for t in wanted)]


def _quoted(line: Line) -> str:
    """A line as a person would cite it."""
    at = clock(line.start) + (f" ({line.source})" if line.source else "")
    match line.kind:
        case "heard":
            return f'I heard at {at}: "{line.text}"'
        case "read":
            return f'On screen at {at}: "{line.text}".'
        case "seen" if line.certain:
            return f"I saw {_article(line.text)} at {at}."
        case "seen":
            return f"I may have seen {_article(line.text)} at {at}, but that is uncertain."
        case "gaze":
            return f"You looked at {at}: {line.text}."
        case _:
            return f"At {at}: {line.text}."


def _article(label: str) -> str:
    return f"{'an' if label[:1].lower() in 'aeiou' else 'a'} {label}"
