"""Token ids to text as they come, never in the middle of a character; and where to stop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

_BROKEN = "\ufffd"
"""What a tokenizer writes for bytes that are not, or not yet, a character."""

_LONGEST = 4
"""Bytes of the longest character: as many tokens at most are held back for one."""


def pieces(tokenizer: Any, ids: Iterable[int]) -> Iterator[str]:
    """Text of the tokens, in pieces that join to the text of all of them.

    A token may be part of a character: what ends in one is held back until it is whole, or
    until it cannot become whole any more. Only the last few tokens are decoded each time, so
    a long answer costs no more a token than a short one.
    """
    kept: list[int] = []  # the latest tokens, of which the first `shown` have been shown
    shown = 0
    for token in ids:
        kept.append(token)
        before, text = (_decode(tokenizer, part) for part in (kept[:shown], kept))
        waiting = text.endswith(_BROKEN) and len(kept) - shown < _LONGEST
        if waiting or len(text) <= len(before):
            continue
        yield text[len(before) :]
        # Some tokens change their text by what stands before them: keep what was just shown.
        kept, shown = kept[shown:], len(kept) - shown
    before, text = (_decode(tokenizer, part) for part in (kept[:shown], kept))
    rest = text[len(before) :].rstrip(_BROKEN)
    if rest:
        yield rest


def _decode(tokenizer: Any, ids: list[int]) -> str:
    text: str = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text


def stop_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """The tokens that end an answer."""
    given = getattr(model.generation_config, "eos_token_id", None)
    listed = given if isinstance(given, list) else [given]
    return tuple({i for i in (*listed, tokenizer.eos_token_id) if i is not None})
