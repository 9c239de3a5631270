"""A trained addition to a model: kept by itself, and merged into the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

from models.reasoning import adapter
from models.reasoning.packed import SHORT, PackedLowRank, decode_packed
from models.reasoning.reasoner import ReasonerError


def tiny(layers: int = 2) -> Any:
    torch.manual_seed(4)
    config = LlamaConfig(
        vocab_size=40,
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=6,
        num_key_value_heads=2,
    )
    return LlamaForCausalLM(config).eval()


IDS = torch.tensor([[3, 9, 12, 30, 1]])


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, torch.Tensor]:
    """An addition's file, and what the model says with it."""
    model = tiny()
    added = adapter.attach(model, 3)
    with torch.no_grad():
        for layer in added.values():
            # What half precision holds exactly, so that keeping it loses nothing.
            layer.down.copy_(layer.down.half())
            layer.up.normal_(std=0.3).copy_(layer.up.half())
        logits = model(IDS).logits
    adapter.save(added, tmp_path / "mind.safetensors", "tiny")
    return tmp_path / "mind.safetensors", logits


def test_an_addition_begins_as_nothing_and_is_all_that_is_trained() -> None:
    model = tiny()
    before = model(IDS).logits
    added = adapter.attach(model, 3)
    assert len(added) == 2 * 7
    torch.testing.assert_close(model(IDS).logits, before)
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert len(trained) == 2 * len(added)
    assert all(name.endswith((".down", ".up")) for name in trained)


def test_merged_weights_say_what_the_addition_said(kept: tuple[Path, torch.Tensor]) -> None:
    path, logits = kept
    model = tiny()
    assert not torch.allclose(model(IDS).logits, logits, atol=1e-2)
    adapter.merge(model, path, "tiny")
    torch.testing.assert_close(model(IDS).logits, logits, atol=1e-4, rtol=1e-4)


def test_what_is_put_beside_the_weights_says_it_too(kept: tuple[Path, torch.Tensor]) -> None:
    path, logits = kept
    model = tiny()
    adapter.load(model, path, "tiny")
    torch.testing.assert_close(model(IDS).logits, logits, atol=1e-4, rtol=1e-4)
    assert not any(weight.requires_grad for weight in model.parameters())


def test_packed_layers_keep_what_stands_beside_them(kept: tuple[Path, torch.Tensor]) -> None:
    path, _ = kept
    whole, packed, plain = tiny(), tiny(), tiny()
    adapter.merge(whole, path, "tiny")
    adapter.load(packed, path, "tiny")
    decode_packed(packed)
    decode_packed(plain)
    many = torch.randint(0, 40, (1, 2 * SHORT))
    assert isinstance(packed.model.layers[0].mlp.up_proj, PackedLowRank)
    with torch.inference_mode():
        torch.testing.assert_close(packed(many).logits, whole(many).logits, atol=1e-4, rtol=1e-4)
        few, right, without = (model(IDS).logits for model in (packed, whole, plain))
    assert (few - right).norm() < 0.05 * (without - right).norm()


def test_a_missing_or_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    damaged = tmp_path / "mind.safetensors"
    with pytest.raises(ReasonerError, match="Restore the file, make it again"):
        adapter.merge(tiny(), damaged, "tiny")
    damaged.write_bytes(b"half of it")
    with pytest.raises(ReasonerError, match=r"mind\.safetensors, cannot be read"):
        adapter.merge(tiny(), damaged, "tiny")


def test_a_file_for_something_else_is_refused_and_changes_nothing(
    kept: tuple[Path, torch.Tensor], tmp_path: Path
) -> None:
    path, _ = kept
    with pytest.raises(ReasonerError, match="is no addition to another"):
        adapter.merge(tiny(), path, "another")
    with pytest.raises(ReasonerError, match="is no addition to tiny"):
        adapter.merge(tiny(layers=3), path, "tiny")
    model = tiny()
    before = model(IDS).logits
    tensors = load_file(path)
    last = sorted(tensors)[-1]
    save_file(tensors | {last: tensors[last][:2]}, path, {"format": adapter.FORMAT, "of": "tiny"})
    with pytest.raises(ReasonerError, match="is no addition to tiny"):
        adapter.merge(model, path, "tiny")
    assert torch.equal(model(IDS).logits, before)
