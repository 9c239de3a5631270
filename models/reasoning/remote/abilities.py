"""What a model server can do, found out with a few requests of one token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import openai

from models.media import SAMPLE_RATE
from models.reasoning.reasoner import ReasonerError
from models.reasoning.remote.parts import FAST, picture, sound
from models.reasoning.remote.past import UNKNOWN_PICTURE

KINDS = ("vllm", "sglang", "llamacpp")
"""Servers that name themselves in their list of models; all of them keep a prefix cache, and
hand ``chat_template_kwargs`` to the template."""

SECONDS = 1.0
"""Of silence sent to see whether a server takes sound."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What one server can do with one model.

    Attributes:
        kind: one of :data:`KINDS`, or empty where the server does not say.
        model: as the server names it.
        context: most tokens of prompt and answer, where the server says.
        in_a_row: its chat template takes a system message, and several of the user's in a row.
        logprobs: it tells how likely the tokens are.
        streams_usage: it counts tokens also where it streams.
        picture_tokens: tokens of a picture of :data:`models.reasoning.remote.parts.FAST` pixels;
            0 where it takes none.
        sound_tokens: tokens of a second of sound; 0 where it takes none.
        extra: what goes into every request besides.
    """

    kind: str
    model: str
    context: int | None = None
    in_a_row: bool = True
    logprobs: bool = False
    streams_usage: bool = False
    picture_tokens: int = 0
    sound_tokens: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def caches(self) -> bool:
        """Whether what it has read once is read at once the next time."""
        return self.kind in KINDS

    @property
    def ids(self) -> bool:
        """Whether it takes ids of pictures and sound, which spare it hashing them."""
        return self.kind == "vllm"


class Trial:
    """Asks a server what it takes."""

    def __init__(self, client: openai.AsyncOpenAI, model: str | None) -> None:
        self.client = client
        self.model = model

    async def served(self) -> tuple[str, str, int | None]:
        """The server's kind, the model, and the length of its context.

        Raises:
            ReasonerError: it has no such model, or several of which none was named.
        """
        try:
            listed = [each async for each in self.client.models.list()]
        except (openai.NotFoundError, openai.InternalServerError):
            listed = []  # not all have a list
        named = [each for each in listed if each.id == self.model]
        if self.model is None:
            named = listed
            if len(listed) != 1:
                some = ", ".join(each.id for each in listed[:5]) or "none that it lists"
                raise ReasonerError(
                    f"the server has {len(listed)} models, {some}: name one with --model"
                )
        elif listed and not named and listed[0].owned_by in KINDS:
            some = ", ".join(each.id for each in listed[:5])
            raise ReasonerError(f"the server has no model {self.model}; it has: {some}")
        kind = (named or listed)[0].owned_by if listed else ""
        more: Mapping[str, Any] = (named[0].model_extra or {}) if named else {}
        meta = more.get("meta")
        length = more.get("max_model_len") or (meta or {}).get("n_ctx")
        model = named[0].id if named else self.model
        assert model is not None
        return kind if kind in KINDS else "", model, length if isinstance(length, int) else None

    async def tokens(self, messages: Sequence[Any], **options: Any) -> tuple[int, Any] | None:
        """Tokens of a prompt (0 where the server does not count them), and the whole reply;
        None where it refuses the prompt."""
        try:
            done = await self.client.chat.completions.create(
                model=self.model or "", messages=list(messages), max_tokens=1, **options
            )
        except (
            openai.BadRequestError,
            openai.UnprocessableEntityError,
            openai.InternalServerError,
        ) as error:
            if error.status_code == 503:  # not ready, which says nothing of the prompt
                raise
            return None
        return (done.usage.prompt_tokens if done.usage is not None else 0), done


async def probe(trial: Trial) -> Abilities:
    """
    Raises:
        ReasonerError: the server has no such model, or takes no question at all.
        openai.APIError: it cannot be reached, or refuses the key.
    """
    kind, model, context = await trial.served()
    # What is tried may well be refused, or end in an error: that is an answer, too.
    trial = Trial(trial.client.with_options(max_retries=1), model)
    extra: dict[str, Any] = {}
    if kind:
        extra["extra_body"] = {"chat_template_kwargs": {"enable_thinking": False}}
    plain = [_said("system", "You answer."), _said("user", "One."), _said("user", "Two.")]
    found = await trial.tokens(plain, **extra)
    in_a_row = found is not None
    if found is None:
        plain = [_said("user", "You answer. One. Two.")]
        found = await trial.tokens(plain, **extra)
    if found is None:
        raise ReasonerError(
            f"the server has {model}, but answers not even one line of text: see its log"
        )
    base, _ = found

    async def cost(part: Mapping[str, Any]) -> int:
        """Tokens of a part; 0 where it is refused or left out in silence."""
        text = plain[-1]["content"]
        shown = [*plain[:-1], _said("user", [{"type": "text", "text": text}, part])]
        with_it = await trial.tokens(shown, **extra)
        if with_it is not None and base == 0:
            return UNKNOWN_PICTURE  # it takes it, and counts nothing
        return 0 if with_it is None else max(0, with_it[0] - base)

    grey = np.full((*FAST, 3), 127, np.uint8)
    silence = np.zeros(int(SECONDS * SAMPLE_RATE), np.float32)
    told = await trial.tokens(plain, logprobs=True, top_logprobs=2, **extra)
    likely = told is not None and told[1].choices and told[1].choices[0].logprobs
    return Abilities(
        kind=kind,
        model=model,
        context=context,
        in_a_row=in_a_row,
        logprobs=bool(likely and likely.content and likely.content[0].top_logprobs),
        streams_usage=await _counts_streams(trial, plain, extra),
        picture_tokens=await cost(picture(grey, max(FAST)).part(ids=False)),
        sound_tokens=await cost(sound(silence).part(ids=False)),
        extra=extra.get("extra_body", {}),
    )


async def _counts_streams(trial: Trial, plain: Sequence[Any], extra: Mapping[str, Any]) -> bool:
    try:
        stream = await trial.client.chat.completions.create(
            model=trial.model or "",
            messages=list(plain),
            max_tokens=1,
            stream=True,
            stream_options={"include_usage": True},
            **extra,
        )
    except (openai.BadRequestError, openai.UnprocessableEntityError):
        return False
    async with stream:
        return any([chunk.usage is not None async for chunk in stream])


def _said(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}
