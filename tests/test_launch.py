"""The launcher sets itself up once, repairs what is broken, and starts fast afterwards."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import launch
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment as the launcher makes it, made once for all tests."""
    folder = tmp_path_factory.mktemp("pristine") / ".venv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "VENV", folder)
        patch.setattr(launch, "STAMP", folder / "onlooker.json")
        launch._make()
    return folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pristine: Path) -> list[str]:
    """An empty project folder; the list of what gets installed in it."""

    def make() -> None:
        shutil.rmtree(launch.VENV, ignore_errors=True)
        shutil.copytree(pristine, launch.VENV, symlinks=True)

    monkeypatch.setattr(launch, "_make", make)
    monkeypatch.setattr(launch, "ROOT", tmp_path)
    monkeypatch.setattr(launch, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(launch, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(launch, "STAMP", tmp_path / ".venv" / "onlooker.json")
    (tmp_path / "a.txt").write_text("one==1\n")
    (tmp_path / "b.txt").write_text("two==2\n")
    installed: list[str] = []
    monkeypatch.setattr(launch, "_install", lambda name, options: installed.append(name))
    return installed


WANTED = (("a.txt", ()), ("b.txt", ("--no-deps",)))


def test_it_is_written_with_the_standard_library_alone() -> None:
    tree = ast.parse((ROOT / "launch.py").read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names


@pytest.mark.parametrize(
    ("given", "command", "rest"),
    [
        ([], "web", []),
        (["--port", "8000"], "web", ["--port", "8000"]),
        (["--help"], "--help", []),
        (["ask", "a.mp4", "what?"], "ask", ["a.mp4", "what?"]),
        (["test", "-k", "launch"], "test", ["-k", "launch"]),
    ],
)
def test_without_a_command_it_serves_the_demo(
    given: list[str], command: str, rest: list[str]
) -> None:
    assert launch._split(given) == (command, rest)


def test_it_installs_once_and_again_only_what_changed(place: list[str]) -> None:
    launch.set_up(WANTED)
    assert place == ["a.txt", "b.txt"]
    launch.set_up(WANTED)
    assert place == ["a.txt", "b.txt"]
    (launch.ROOT / "b.txt").write_text("two==3\n")
    launch.set_up(WANTED)
    assert place == ["a.txt", "b.txt", "b.txt"]


def test_an_interrupted_install_is_gone_on_with(
    place: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(name: str, options: object) -> None:
        if name == "b.txt":
            raise launch.SetUpError("no network")
        place.append(name)

    with monkeypatch.context() as patch:
        patch.setattr(launch, "_install", fails)
        with pytest.raises(launch.SetUpError):
            launch.set_up(WANTED)
    launch.set_up(WANTED)
    assert place == ["a.txt", "b.txt"]


@pytest.mark.parametrize("damage", ["dangling", "empty file", "no pip"])
def test_a_broken_environment_is_made_anew(place: list[str], damage: str) -> None:
    launch.set_up(WANTED)
    if damage == "no pip":
        for folder in (launch.VENV / "lib").glob("python*/site-packages/pip"):
            folder.rename(folder.with_name("lost"))
    else:
        launch.PYTHON.unlink()
        if damage == "dangling":
            launch.PYTHON.symlink_to("/nowhere/python")
        else:
            launch.PYTHON.write_text("")
    launch.set_up(WANTED)
    assert place == ["a.txt", "b.txt"] * 2
    assert subprocess.run([launch.PYTHON, "-c", "import pip"], check=False).returncode == 0


def test_a_folder_that_is_no_environment_is_made_one(place: list[str]) -> None:
    launch.VENV.mkdir()
    (launch.VENV / "half").write_text("made")
    launch.set_up(WANTED)
    assert launch._works()


def test_an_install_that_fails_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "PYTHON", Path(sys.executable))
    monkeypatch.setattr(launch, "ROOT", tmp_path)
    (tmp_path / "broken.txt").write_text("no such requirement !!\n")
    with pytest.raises(launch.SetUpError, match=r"broken.txt could not be installed.*run this"):
        launch._install("broken.txt", ())


def test_told_to_stop_it_passes_that_on_and_waits() -> None:
    command = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b'goodbye\\n'), sys.exit(3)))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    starts = f"import launch; raise SystemExit(launch._run(['-c', {command!r}]))"
    with subprocess.Popen(
        [sys.executable, "-c", starts], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.stdout.readline() == "goodbye\n"
        assert process.wait(20) == 3
