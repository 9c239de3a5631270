"""Many questions about one text, in one pass."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from models.training import branches
from models.training.branches import Branch, Tree, answer_logits

TREE = Tree(
    (5, 9, 2, 7, 3, 11),
    (Branch((4, 8, 1), 2), Branch((6, 6, 10, 2, 9, 30, 31), 3), Branch((12, 1), 1, 0.5)),
)


@pytest.fixture
def model() -> Any:
    torch.manual_seed(4)
    config = LlamaConfig(
        vocab_size=40,
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=2,
    )
    return LlamaForCausalLM(config).eval()


def plainly(model: Any, branch: Branch) -> torch.Tensor:
    """Logits that foretell a branch's answer, of the text and that branch alone."""
    ids = torch.tensor([[*TREE.text, *branch.ids]])
    logits: torch.Tensor = model(ids).logits[0]
    return logits[-1 - branch.answer : -1]


def test_each_branch_gets_what_it_would_get_alone(model: Any) -> None:
    with torch.no_grad():
        alone = [plainly(model, branch) for branch in TREE.branches]
        model.set_attn_implementation(branches.NAME)
        logits, wanted, numbers = answer_logits(model, TREE)
    assert numbers.tolist() == [0, 0, 1, 1, 1, 2]
    assert wanted.tolist() == [8, 1, 9, 30, 31, 1]
    torch.testing.assert_close(logits, torch.cat(alone), atol=1e-5, rtol=1e-4)


def test_its_gradients_are_those_of_each_branch_alone(model: Any) -> None:
    weight = model.model.layers[0].self_attn.k_proj.weight
    total = torch.zeros(())
    for branch in TREE.branches:
        wanted = torch.tensor(branch.ids[-branch.answer :])
        logits = plainly(model, branch)
        lost = torch.nn.functional.cross_entropy(logits, wanted, reduction="sum")
        total = total + lost * branch.weight / len(wanted) ** 0.5 / 2.5
    (alone,) = torch.autograd.grad(total, weight)
    model.set_attn_implementation(branches.NAME)
    together = branches.loss(model, TREE)
    torch.testing.assert_close(together, total)
    (found,) = torch.autograd.grad(together, weight)
    torch.testing.assert_close(found, alone, atol=1e-6, rtol=1e-4)
