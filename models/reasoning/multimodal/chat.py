"""The pieces of a model's chat template, so that a chat can be built as the stream goes on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from models.reasoning.reasoner import Exchange

# Private-use characters, which nobody writes.
_STREAM = "\ue000stream\ue001"
_DETAIL = "\ue000detail\ue001"
_UNMARKED = {0xE000: None, 0xE001: None}


def plain(tokenizer: Any, text: str) -> str:
    """Text from outside with what would be read as a control token broken up: a screen that
    shows ``<|im_end|>`` must not end a turn."""
    text = text.translate(_UNMARKED)
    return _control(tuple(tokenizer.get_added_vocab())).sub(_broken_up, text)


@lru_cache(maxsize=8)
def _control(tokens: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(filter(None, map(str.strip, tokens)), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def _broken_up(found: re.Match[str]) -> str:
    return f"{found[0][0]} {found[0][1:]}"


class Chat:
    """A chat whose first user turn begins with the stream and stays open while it goes on.

    Args:
        processor: the library's, with a chat template for content in parts.
        system: the instruction.

    Raises:
        ValueError: there is no template, or it does not keep what it is given.
    """

    def __init__(self, processor: Any, system: str) -> None:
        if not processor.chat_template:
            raise ValueError("the model has no chat template, so it cannot be talked to")
        self._processor = processor
        self._system = system
        self.opening = self._split(self._render([_turn("user", _STREAM)], False), _STREAM)[0]
        """What stands before the stream."""

    def mark(self, kind: str) -> str:
        """What the template writes for a part of type ``"video"`` or ``"audio"``."""
        around = [_text(_STREAM), {"type": kind}, _text(_DETAIL)]
        text = self._render([{"role": "user", "content": around}], False)
        return self._split(self._split(text, _STREAM)[1], _DETAIL)[0]

    def closing(self, question: str, history: Sequence[Exchange] = ()) -> tuple[str, str]:
        """What follows the stream, in two pieces between which detail may be put: earlier
        exchanges up to the newest user turn; and the question up to where the answer begins.
        """
        asked = [self.plain(e.question) for e in history] + [_DETAIL + self.plain(question)]
        turns = [_turn("user", _STREAM + asked[0])]
        for earlier, following in zip(history, asked[1:], strict=True):
            turns += [_turn("assistant", self.plain(earlier.answer)), _turn("user", following)]
        after = self._split(self._render(turns, True), _STREAM)[1]
        return self._split(after, _DETAIL)

    def plain(self, text: str) -> str:
        """See :func:`plain`."""
        return plain(self._processor.tokenizer, text)

    def _render(self, turns: list[dict[str, Any]], ask: bool) -> str:
        text: str = self._processor.tokenizer.apply_chat_template(
            [_turn("system", self._system), *turns],
            chat_template=self._processor.chat_template,
            tokenize=False,
            add_generation_prompt=ask,
        )
        return text

    @staticmethod
    def _split(text: str, mark: str) -> tuple[str, str]:
        before, found, after = text.partition(mark)
        if not found:
            raise ValueError("the model's chat template drops text that it is given")
        return before, after


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _turn(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [_text(text)]}
