"""Several sources, folders and a pipe on the command line, on an engine without models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from app import cli
from app.naming import named
from pipeline.sources.devices import Device
from tests.pipeline.fakes import engine
from tests.pipeline.media import write_clip

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(cli, "load_engine", lambda choice, home: engine())

    def invoke(*arguments: str | Path) -> Result:
        return CliRunner().invoke(cli.app, [str(a) for a in arguments])

    return invoke


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    return write_clip(tmp_path / "a.mkv", seconds=3), write_clip(tmp_path / "b.mkv", seconds=6)


def test_two_are_watched_at_once_into_one_session_that_is_asked_by_name(
    run: Run, two: tuple[Path, Path], tmp_path: Path
) -> None:
    session = tmp_path / "both.onlooker"
    done = run("watch", *two, "--name", "door", "--name", "yard", "--session", session, "--json")
    assert done.exit_code == 0, done.output
    told = [json.loads(line) for line in done.stdout.splitlines()]
    ends = {t["source"]: t["end"] for t in told if t["kind"] == "segment"}
    assert ends == {"door": pytest.approx(3, abs=0.2), "yard": pytest.approx(6, abs=0.2)}
    assert sum(t["kind"] == "end" for t in told) == 2
    asked = run("ask", session, "What is in the yard?", "--json")
    assert asked.exit_code == 0, asked.output
    assert {e["source"] for e in json.loads(asked.stdout)["evidence"]} == {"yard"}
    again = run("watch", f"yard={two[1]}", f"door={two[0]}", "--session", session, "--json")
    assert again.exit_code == 0, again.output
    assert not any('"segment"' in line for line in again.stdout.splitlines())


def test_a_timeline_of_two_says_whose_each_line_is(run: Run, two: tuple[Path, Path]) -> None:
    done = run("watch", f"door={two[0]}", two[1], "--name", "door", "--name", "b")
    assert done.exit_code == 0, done.output
    lines = [line.partition("  ")[2] for line in done.stdout.splitlines()]
    assert any(line.startswith("door: ") for line in lines)
    assert any(line.startswith("b: ") for line in lines)


def test_a_question_is_put_across_clips(run: Run, two: tuple[Path, Path]) -> None:
    done = run("ask", f"door={two[0]}", two[1], "What is there?", "--at", "2.5")
    assert done.exit_code == 0, done.output
    assert "door, 0:00.0 to 0:02.5" in done.stdout and "b, 0:00.0 to 0:02.5" in done.stdout


def test_a_folder_with_one_damaged_clip_is_watched_and_told(
    run: Run, two: tuple[Path, Path]
) -> None:
    (two[0].parent / "aa.mkv").write_bytes(b"\x00" * 4000)
    done = run("watch", two[0].parent)
    assert done.exit_code == 0, done.output
    assert "gap" in done.stdout and "aa.mkv was left out" in done.stdout
    assert "source   left out" in done.stdout


def test_what_is_piped_in_is_watched(two: tuple[Path, Path]) -> None:
    program = (
        "from app import cli; from tests.pipeline.fakes import engine; "
        "cli.load_engine = lambda choice, home: engine(); cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "watch", "-", "--json"],
        input=two[1].read_bytes(),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [t["time"] for t in told if t["kind"] == "end"] == [pytest.approx(6, abs=0.2)]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("watch", "{a}", "{b}", "--name", "door"), "1 names for 2 sources"),
        (("watch", "x={a}", "X={b}"), "two sources are called"),
        (("watch", "{a}", "gone.mp4"), "gone.mp4 does not exist"),
        (("watch", "{a}", "--live"), "--live is for standard input"),
        (("ask", "{a}"), "give a clip and then a question"),
        (("ask", "{a}", "s.onlooker", "What?"), "a session file is asked by itself"),
        (("watch", "-", "-"), "standard input is one source"),
        (("watch", "{a}", "{b}", "--gaze", "gaze.csv"), ""),
    ],
)
def test_sources_that_do_not_fit_together_are_refused(
    run: Run, two: tuple[Path, Path], arguments: tuple[str, ...], told: str
) -> None:
    done = run(*(a.format(a=two[0], b=two[1]) for a in arguments))
    assert done.exit_code == 2 and told in done.stderr


def test_the_sources_that_are_here_are_listed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "devices", list)
    assert "no camera, microphone or screen is here" in run("sources").stdout
    monkeypatch.setattr(cli, "devices", lambda: [Device("mic", "mic:hw:1", "USB [2]")])
    assert "mic:hw:1" in run("sources").stdout and "USB [2]" in run("sources").stdout
    assert json.loads(run("sources", "--json").stdout) == [
        {"kind": "mic", "spec": "mic:hw:1", "name": "USB [2]"}
    ]


@pytest.mark.parametrize(
    ("specs", "names", "found"),
    [
        (["a.mp4"], [], [""]),
        (["a.mp4"], ["door"], ["door"]),
        (["x/a.mp4", "y/a.mp4"], [], ["a", "a 2"]),
        (["rtsp://u:p@cam/x?k=v", "camera:0"], [], ["cam", "camera 0"]),
        (["front door=rtsp://u:p@cam/x?k=v", "-"], [], ["front door", "standard input"]),
        (["http://host/x?a=b", "y=b.mp4"], [], ["host", "y"]),
    ],
)
def test_sources_are_called_after_what_they_are(
    specs: list[str], names: list[str], found: list[str]
) -> None:
    assert list(named(specs, names)) == found


def test_a_name_must_hold_a_word() -> None:
    with pytest.raises(typer.Exit):
        named(["a", "b"], ["a", " "])
