"""What docs/deploy and docs/capacity.md say is what the program takes."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from app.cli import app
from app.settings import Settings, defaults
from tests.bench import capacity

DOCS = Path(__file__).resolve().parent.parent / "docs"
DEPLOY = DOCS / "deploy"
OTHERS = {"HOME", "CONFIG", "WEBHOOK_SECRET"}
"""Variables that are no settings."""


def manifests() -> list[dict[str, Any]]:
    return [d for d in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()) if d]


def containers() -> list[dict[str, Any]]:
    pods = [d["spec"]["template"]["spec"] for d in manifests() if "template" in d.get("spec", {})]
    return [container for pod in pods for container in pod["containers"]]


def settings_files() -> list[str]:
    maps = [d["data"]["onlooker.toml"] for d in manifests() if d["kind"] == "ConfigMap"]
    return [(DEPLOY / "onlooker.toml").read_text(), *maps]


@pytest.mark.parametrize("text", settings_files())
def test_the_settings_files_are_read(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "onlooker.toml"
    path.write_text(text)
    monkeypatch.setenv("ONLOOKER_CONFIG", str(path))
    assert defaults() == tomllib.loads(text) and defaults()["engine"] == "remote"


@pytest.mark.parametrize("path", sorted(DEPLOY.iterdir()), ids=lambda path: path.name)
def test_every_variable_is_one_of_onlookers(path: Path) -> None:
    named = set(re.findall(r"\bONLOOKER_([A-Z_]+)", path.read_text()))
    assert {name.lower() for name in named - OTHERS} <= set(Settings.model_fields)


def commands() -> list[list[str]]:
    """All commands of Onlooker's that the files start, without the program."""
    lines = [
        line.partition("=")[2]
        for path in DEPLOY.glob("*.service")
        for line in path.read_text().splitlines()
        if line.startswith("ExecStart=")
    ]
    lines += [c["args"][0] for c in containers() if c.get("command")]
    found = [shlex.split(line.partition("-m app ")[2]) for line in lines]
    found += [c["args"] for c in containers() if c["image"] == "onlooker" and "command" not in c]
    return found


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_is_one_of_onlookers_with_options_it_has(command: list[str]) -> None:
    name, *rest = command
    known = get_command(app).commands[name]  # type: ignore[attr-defined]
    known.make_context(name, rest)  # fails on an option that there is not


def test_a_pod_watches_the_camera_of_its_number() -> None:
    cameras = next(d["data"]["cameras"] for d in manifests() if "cameras" in d.get("data", {}))
    stateful = next(d for d in manifests() if d["metadata"]["name"] == "camera" and "spec" in d)
    assert len(cameras.split()) == stateful["spec"]["replicas"]


def test_the_compose_file_builds_the_image_and_hands_the_key_to_both() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    built = services["onlooker"]["build"]
    assert (DEPLOY / built["context"] / built["dockerfile"]).resolve().is_file()
    key = services["onlooker"]["environment"]["ONLOOKER_API_KEY_ENV"]
    assert key in services["onlooker"]["environment"] and key in services["vllm"]["environment"]
    serves = "http://vllm:8000/v1"
    assert all(tomllib.loads(text)["base_url"] == serves for text in settings_files())


def test_the_image_has_all_that_the_program_is_made_of() -> None:
    copied = re.findall(r"^COPY (\w+) \w+$", (DEPLOY / "Dockerfile").read_text(), re.M)
    assert set(copied) == {"app", "pipeline", "memory", "models", "assets"}
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    assert {f"!{name}" for name in copied} <= set(ignored)


def test_the_capacity_tables_are_what_the_constants_give() -> None:
    told = (DOCS / "capacity.md").read_text()
    assert all(table in told for table in capacity.tables().split("\n\n"))
