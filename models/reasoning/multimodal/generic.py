"""Any other vision-language model of the library, through its chat template.

Correct, but without the streaming gain: there is no running context, so each question pays
for reading the latest pictures and words again.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, StoppingCriteria
from transformers.cache_utils import DynamicCache

from models.gaze.cues import Cues
from models.reasoning.gate import PriorityGate
from models.reasoning.multimodal import looks, words
from models.reasoning.multimodal.chat import plain
from models.reasoning.multimodal.pieces import pieces, stop_ids
from models.reasoning.reasoner import Counts, Evidence, Passage, Reply

_PICTURES = 8
"""Pictures put before a question, the latest of what was seen."""

_PASSAGES = 64
"""Passages kept, in words and with one picture each."""

_SLICE = 8
"""Tokens generated between two pieces of text."""


class GenericModel:
    """A model loaded once, for any number of streams.

    Args:
        gaze: how it is given where somebody looked; all but foveated tokens, which its pictures
            do not have.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        processor: Any,
        answer_tokens: int = 256,
        gaze: Cues = Cues(text=True, choice=True),  # noqa: B008 - frozen
    ) -> None:
        self.name = name
        self.gaze = gaze
        self.model = model
        self.processor = processor
        self.answer_tokens = answer_tokens
        self.gate = PriorityGate()

    @classmethod
    def load(
        cls,
        model: str,
        short: str,
        options: dict[str, Any],
        where: dict[str, Any],
        tokens: int,
        gaze: Cues,
    ) -> GenericModel:
        """See :func:`models.reasoning.multimodal.engine.load_multimodal`.

        Raises:
            ImportError, OSError, ValueError: as the library does.
        """
        processor = AutoProcessor.from_pretrained(model, **where)
        loaded = AutoModelForImageTextToText.from_pretrained(model, **options).eval()
        name = f"transformers {loaded.config.model_type} {short}, re-reading at each question"
        return cls(name, loaded, processor, tokens, gaze)

    def reasoner(self, spill: object = None) -> GenericReasoner:
        """For one stream; slow tokens do not exist here."""
        return GenericReasoner(self)


class GenericReasoner:
    """See :class:`models.reasoning.reasoner.Reasoner`."""

    def __init__(self, model: GenericModel) -> None:
        self._model = model
        self._seen: deque[Passage] = deque(maxlen=_PASSAGES)
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def context_tokens(self) -> tuple[int, int]:
        """There is no running context."""
        return 0, 0

    @property
    def takes_pictures(self) -> bool:
        return True

    def see(self, image: NDArray[np.uint8], time: float) -> None:
        """Nothing: all is encoded for each question."""

    def idle(self) -> bool:
        return False

    def watch(self, passage: Passage) -> None:
        with self._lock:
            self._seen.append(passage)

    def answer(
        self,
        question: str,
        evidence: Evidence,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Reply:
        counts = Counts()

        def speak() -> Iterator[str]:
            inputs = self._inputs(words.asked(question, evidence.time), evidence, counts)
            made = self._generate(inputs, self._model.answer_tokens, counts, cancelled)
            yield from pieces(self._model.processor.tokenizer, made)

        return Reply(speak(), counts)

    @torch.inference_mode()
    def choose(
        self, question: str, options: Sequence[str], evidence: Evidence
    ) -> tuple[list[float], Counts]:
        counts = Counts()
        asked = words.asked(words.multiple_choice(question, options), evidence.time)
        inputs = self._inputs(asked, evidence, counts)
        with self._model.gate.foreground():
            logits = self._model.model(**inputs).logits[0, -1].float()
        encode = self._model.processor.tokenizer.encode
        firsts = [
            {encode(form, add_special_tokens=False)[0] for form in words.letter_forms(i)}
            for i in range(len(options))
        ]
        scores = torch.stack([logits[list(ids)].logsumexp(0) for ids in firsts])
        likely: list[float] = scores.softmax(0).tolist()
        return likely, counts

    def note(self, passage: Passage) -> str:
        evidence = Evidence(passage.known_at, (passage,))
        inputs = self._inputs(words.note(passage), evidence, Counts(), alone=True)
        made = self._generate(inputs, 60, Counts(), lambda: False)
        return words.one_line("".join(pieces(self._model.processor.tokenizer, made)))

    def _inputs(
        self, question: str, evidence: Evidence, counts: Counts, alone: bool = False
    ) -> Any:
        """The whole prompt: what was watched by then and the evidence, in time order."""
        with self._lock:
            seen = [] if alone else [p for p in self._seen if p.known_at <= evidence.time]
        told = {(p.start, p.end): p for p in (*seen, *evidence.passages)}
        passages = sorted(told.values(), key=lambda p: p.start)
        cues = self._model.gaze
        latest = next((p.frames[-1].shape[:2] for p in reversed(passages) if p.frames), None)
        scanpath = None if alone else looks.scanpath(passages, cues, latest)
        shown = [p for p in passages if p.frames]
        shown = shown[-(_PICTURES if scanpath is None else _PICTURES - 1) :]
        content = [self._text(words.BEGIN)]
        for passage in passages:
            content.append(self._text(words.heading(passage)))
            if passage in shown:
                picture = looks.pictures(passage, cues)[looks.best_frame(passage, cues)]
                content.append({"type": "image", "image": Image.fromarray(picture)})
            content.append(self._text(words.told(looks.lines(passage, cues)) or "\n"))
        gazed = any(passage.looks for passage in shown)
        if said := looks.meaning(cues, gazed, scanpath is not None):
            content.append(self._text(said))
        if scanpath is not None:
            content.append({"type": "image", "image": Image.fromarray(scanpath)})
        turns: list[dict[str, Any]] = [_turn("user", content)]
        for earlier in evidence.history:
            turns[-1]["content"].append(self._text(earlier.question))
            turns.append(_turn("assistant", [self._text(earlier.answer)]))
            turns.append(_turn("user", []))
        turns[-1]["content"].append(self._text(question))
        turns[0]["content"].insert(0, self._text(words.SYSTEM + "\n"))
        inputs = self._model.processor.apply_chat_template(
            turns,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        ).to(self._model.model.device)
        counts.slow = int(inputs["input_ids"].shape[1])
        return inputs

    def _text(self, text: str) -> dict[str, Any]:
        return {"type": "text", "text": plain(self._model.processor.tokenizer, text)}

    def _generate(
        self, inputs: Any, most: int, counts: Counts, cancelled: Callable[[], bool]
    ) -> Iterator[int]:
        """The library's own generation, some tokens at a time on one cache."""
        model, cache = self._model.model, DynamicCache()
        ids = inputs["input_ids"]
        given = dict(inputs)
        stop = stop_ids(model, self._model.processor.tokenizer)
        with self._model.gate.answering():
            for made in range(0, most, _SLICE):
                with self._model.gate.foreground(), torch.inference_mode():
                    out = model.generate(
                        **given,
                        past_key_values=cache,
                        max_new_tokens=min(_SLICE, most - made),
                        do_sample=False,
                        stopping_criteria=[_Cancelled(cancelled)],
                    )
                new = out[0, ids.shape[1] :].tolist()
                for token in new:
                    if cancelled() or token in stop:
                        return
                    counts.generated += 1
                    yield token
                if cancelled() or len(new) < _SLICE:
                    return
                ids = out
                given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


class _Cancelled(StoppingCriteria):  # type: ignore[misc]
    def __init__(self, cancelled: Callable[[], bool]) -> None:
        self._cancelled = cancelled

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        return torch.full((len(input_ids),), self._cancelled(), device=input_ids.device)


def _turn(role: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"role": role, "content": content}
