"""Text comes in pieces that join to the whole, and never with half a character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.reasoning.multimodal.pieces import pieces
from tests.models.reasoning.multimodal.tiny import tokenizer

TEXT = tokenizer(["<|im_start|>", "<|im_end|>"])


@given(st.text(st.characters(exclude_characters="\ufffd", exclude_categories=["Cs"])))
def test_pieces_join_to_the_text_with_whole_characters(text: str) -> None:
    said = list(pieces(TEXT, TEXT.encode(text)))
    assert "".join(said) == text
    assert all("\ufffd" not in piece and piece for piece in said)


def test_each_token_is_shown_at_once_where_it_can_be() -> None:
    ids = TEXT.encode("the cat sat")
    assert len(list(pieces(TEXT, ids))) == len(ids)


def test_a_character_cut_off_at_the_end_is_left_out() -> None:
    ids = TEXT.encode("ok \N{SNOWMAN}")
    assert "".join(pieces(TEXT, ids[:-1])) == "ok "


@pytest.mark.parametrize("broken", [1, 5])
def test_bytes_that_are_no_text_do_not_hold_up_what_follows(broken: int) -> None:
    first = TEXT.encode("\N{SNOWMAN}")[0]
    said = "".join(pieces(TEXT, [*[first] * broken, *TEXT.encode("cat")]))
    assert said.endswith("cat")


def test_special_tokens_are_not_text() -> None:
    end = TEXT.convert_tokens_to_ids("<|im_end|>")
    assert "".join(pieces(TEXT, [*TEXT.encode("yes"), end])) == "yes"
