"""Slow tokens in a folder."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import torch

from models.reasoning.multimodal.visual import VisualFeatures, VisualTokens
from models.reasoning.slow import SlowStore
from pipeline.spill import SpillFolder


def tokens(seed: int) -> VisualTokens:
    generator = torch.Generator().manual_seed(seed)
    features = VisualFeatures(torch.randn(2, 3, 3, 8, generator=generator), (0.0, 1.0))
    return VisualTokens.all_of(features)


def test_segments_come_back_from_the_folder_until_its_budget_is_spent(tmp_path: Path) -> None:
    folder = tmp_path / "slow"
    store = SlowStore(0, spill=SpillFolder(folder), spill_bytes=2500)
    for key in range(5):
        store.put(key, tokens(key))
    there = store.counts()
    assert 0 < len(there) < 5
    assert sum(p.stat().st_size for p in folder.iterdir()) <= 2500
    for key in there:
        back = store.get(key)
        assert back is not None
        assert torch.allclose(back.tokens, tokens(key).tokens, atol=0.02)
    assert store.get(0) is None


def test_what_an_earlier_run_left_is_gone(tmp_path: Path) -> None:
    killed = SpillFolder(tmp_path)
    killed.write(3, b"old")
    assert SpillFolder(tmp_path).read(3) is None


def test_the_folder_goes_with_its_last_user(tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    folder = SpillFolder(slow)
    assert not slow.exists()
    folder.write(3, b"blob")
    assert slow.exists()
    del folder
    gc.collect()
    assert not slow.exists()


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    folder = SpillFolder(tmp_path)
    folder.write(1, b"first")
    with pytest.raises(TypeError):
        folder.write(1, "not bytes")  # type: ignore[arg-type]
    assert folder.read(1) == b"first"
    assert len(list(tmp_path.iterdir())) == 1
