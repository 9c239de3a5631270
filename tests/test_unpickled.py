"""Nothing that is read may run code: no pickle, in any of its guises, in any of our modules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = [
    *(
        p
        for package in ("app", "pipeline", "memory", "models")
        for p in (ROOT / package).rglob("*.py")
    ),
    ROOT / "launch.py",
]
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
"""Modules whose reading runs what it reads."""


def unsafe(source: str) -> Iterator[str]:
    """What in Python ``source`` could run code that it reads."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            yield from (f"imports {n}" for n in names if n.split(".")[0] in MODULES)
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        given = {k.arg: k.value for k in node.keywords}
        truth = {name: getattr(value, "value", None) for name, value in given.items()}
        if called == "torch.load" and truth.get("weights_only") is not True:
            yield "torch.load without weights_only=True"
        if "allow_pickle" in given and truth["allow_pickle"] is not False:
            yield f"{called} that allows pickles"
        if called.endswith((".read_pickle", "torch.jit.load", "torch.package.PackageImporter")):
            yield called
        if called in {"eval", "exec"} or called in {"yaml.load", "yaml.unsafe_load"}:
            yield called
        if truth.get("trust_remote_code") not in (None, False) or (
            "trust_remote_code" in given
            and not isinstance(given["trust_remote_code"], ast.Constant)
        ):
            yield f"{called} that trusts remote code"


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import torch\ntorch.load('x')",
        "torch.load('x', weights_only=False)",
        "np.load('x', allow_pickle=True)",
        "np.load('x', allow_pickle=wanted)",
        "pd.read_pickle('x')",
        "eval(text)",
        "yaml.load(text)",
        "AutoModel.from_pretrained('x', trust_remote_code=True)",
    ],
)
def test_each_guise_is_found(source: str) -> None:
    assert list(unsafe(source))


def test_no_module_of_ours_reads_what_could_run() -> None:
    assert len(OURS) > 100
    found = {str(path.relative_to(ROOT)): list(unsafe(path.read_text())) for path in OURS}
    assert {path: what for path, what in found.items() if what} == {}


def test_what_cannot_run_is_let_be() -> None:
    safe = "torch.load('x', weights_only=True)\nnp.load('x', allow_pickle=False)\nmodel.eval()"
    assert not list(unsafe(safe))
