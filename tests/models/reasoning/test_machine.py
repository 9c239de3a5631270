"""What the machine can run is said in plain facts."""

from __future__ import annotations

import pytest
import torch

from models.reasoning import machine


def test_the_report_names_what_decides() -> None:
    facts = {fact.name: fact for fact in machine.report()}
    assert facts["torch"].value == torch.__version__
    assert "memory free" in facts["processor"].value
    assert "is chosen" in facts["attention"].value
    assert "billion weights" in facts["room for"].value
    assert {"bitsandbytes", "torchvision", "flash_attn"} <= set(facts)


def test_a_missing_package_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "has_package", lambda name: False)
    facts = {fact.name: fact for fact in machine.report()}
    assert facts["bitsandbytes"].value == "not installed"


def test_a_containers_limit_counts(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"  # type: ignore[operator]
    monkeypatch.setattr(machine, "_CGROUP_LIMITS", (limit,))
    limit.write_text("max")
    free = machine.free_memory()
    assert free > 0
    limit.write_text("1000")
    assert machine.free_memory() == 0
