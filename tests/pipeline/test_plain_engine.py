"""The embedded engine with what was trained, and without: ``--plain``."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.home import home
from models.reasoning import embedded
from pipeline.engine import Choice, EngineError, load_engine


@pytest.mark.parametrize("plain", [False, True])
def test_the_embedded_engine_is_trained_unless_it_is_to_be_plain(plain: bool) -> None:
    try:
        engine = load_engine(Choice(plain=plain), home())
    except EngineError as error:
        pytest.skip(str(error))
    assert ("trained on timelines" in str(engine.facts["model"])) is not plain


def test_plain_is_for_the_embedded_engine_alone(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="--plain is for the embedded engine"):
        load_engine(Choice("transformers", model="some/model", plain=True), tmp_path)
    remote = Choice("remote", base_url="http://127.0.0.1:9/v1", plain=True)
    with pytest.raises(EngineError, match="--plain is for the embedded engine"):
        load_engine(remote, tmp_path)


def test_a_missing_addition_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "TRAINED", tmp_path / "mind.safetensors")
    with pytest.raises(EngineError, match=r"mind\.safetensors, cannot be read.*--plain"):
        load_engine(Choice(), home())
