"""Gaze on the command line: a file, a live feed, and what is said where there is none."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app import cli
from models.gaze.webcam import POINTS
from pipeline.sources.gaze.webcam import read_calibration
from tests.pipeline.fakes import Echo, engine
from tests.pipeline.media import write_clip
from tests.pipeline.test_gaze_choice import Camera, Face


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", seconds=2.0)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setattr(cli, "load_engine", lambda choice, home: engine(Echo()))
    monkeypatch.setenv("ONLOOKER_HOME", str(tmp_path / "home"))

    def invoke(*arguments: str | Path, input: str | None = None) -> Result:
        return CliRunner().invoke(cli.app, [str(a) for a in arguments], input=input)

    return invoke


def looks(done: Result) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return [each for each in told if each["kind"] == "gaze"]


def test_a_files_fixations_are_on_the_timeline(run: Any, clip: Path, tmp_path: Path) -> None:
    rows = [f"{i / 50},{80 if i < 50 else 20},48" for i in range(100)]
    path = tmp_path / "gaze.csv"
    path.write_text("\n".join(["t,x [px],y [px]", *rows]))
    done = run("watch", clip, "--gaze", path, "--gaze-size", "160x96", "--json")
    assert done.exit_code == 0, done.output
    found = looks(done)
    assert {round(f["x"], 3) for f in found} == {0.5, 0.125}
    assert found[0]["start"] == 0.0 and found[-1]["end"] == pytest.approx(1.98, abs=0.03)
    assert all(set(f) == {"kind", "start", "end", "x", "y", "target"} for f in found)


def test_samples_that_come_in_while_a_file_plays_become_fixations(run: Any, clip: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    over = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not over.wait(0.01):
                sender.sendto(b'{"x": 0.3, "y": 0.6}', ("127.0.0.1", port))

    sender = threading.Thread(target=send)
    sender.start()
    try:
        done = run("watch", clip, "--paced", "--gaze", f"udp://:{port}", "--json")
    finally:
        over.set()
        sender.join()
    assert done.exit_code == 0, done.output
    found = looks(done)
    assert found and {(round(f["x"], 6), round(f["y"], 6)) for f in found} == {(0.3, 0.6)}
    assert all(-0.5 < f["start"] < f["end"] < 2.5 for f in found)


@pytest.mark.parametrize("command", [["ask", "What?"], ["watch"]])
def test_live_gaze_is_refused_beside_a_file_that_is_not_played(
    run: Any, clip: Path, command: list[str]
) -> None:
    name, *rest = command
    done = run(name, clip, *rest, "--gaze", "udp://:0")
    assert done.exit_code == 2 and "watch --paced" in done.output


@pytest.mark.parametrize(
    ("gaze", "said"),
    [
        (["webcam"], "launch.py calibrate"),
        (["udp://"], "lacks a port"),
        (["lost.csv"], "lost.csv"),
        (["udp://:0", "--gaze-size", "wide"], "WIDTHxHEIGHT"),
    ],
)
def test_gaze_that_cannot_be_had_says_what_to_do(
    run: Any, clip: Path, gaze: list[str], said: str
) -> None:
    done = run("watch", clip, "--gaze", *gaze)
    assert done.exit_code == 2 and said in done.output


def test_calibrating_without_a_camera_says_which_was_meant(run: Any) -> None:
    done = run("calibrate", "97", input="\n" * 9)
    assert done.exit_code == 2 and ("97" in done.output or "face" in done.output)


@pytest.mark.parametrize("cues", ["drawn", "text,foveated", "none"])
def test_an_engine_that_reads_words_alone_refuses_other_cues(
    clip: Path, tmp_path: Path, cues: str
) -> None:
    done = CliRunner().invoke(cli.app, ["ask", str(clip), "What?", "--gaze-cues", cues])
    assert done.exit_code == 2 and "words alone" in done.output


def test_an_unknown_cue_is_named_before_a_model_is_loaded(clip: Path, tmp_path: Path) -> None:
    model = ["--engine", "transformers", "--model", str(tmp_path)]
    done = CliRunner().invoke(cli.app, ["watch", str(clip), *model, "--gaze-cues", "psychic"])
    assert done.exit_code == 2 and "psychic" in done.output


def test_calibrating_walks_nine_points_and_says_how_good_it_is(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    camera, points = Camera(), list(POINTS)

    def prompted(*said: Any, **options: Any) -> str:
        camera.at = (*points.pop(0), True)
        return ""

    monkeypatch.setattr("app.gaze.open_camera", lambda device: camera)
    monkeypatch.setattr("app.gaze.eye_finder", Face)
    monkeypatch.setattr("app.gaze.typer.prompt", prompted)
    done = run("calibrate", "--screen-width", "40", "--distance", "50")
    assert done.exit_code == 0 and not points, done.output
    assert "top, left" in done.output and "degrees on a screen 40 cm wide" in done.output
    assert read_calibration(tmp_path / "home" / "gaze-calibration.json").error < 0.05
