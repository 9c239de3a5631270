"""The commands as a person types them, on the sample clip and on bad input."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app import cli
from app.home import home
from pipeline.engine import Engine
from tests.conftest import ROOT
from tests.pipeline.media import write_clip

Run = Callable[..., Result]


@pytest.fixture
def run(embedded: Engine, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in this process, on the engine that is loaded already."""
    monkeypatch.setattr(cli, "load_engine", lambda choice, home: embedded)

    def invoke(*arguments: str | Path) -> Result:
        return CliRunner().invoke(cli.app, [str(a) for a in arguments])

    return invoke


@dataclass(frozen=True)
class Watched:
    """A whole watch of the sample clip: its session, and the timeline as it was printed."""

    session: Path
    told: list[dict[str, Any]]


@pytest.fixture(scope="module")
def watched(embedded: Engine, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    session = tmp_path_factory.mktemp("watched") / "day.onlooker"
    command = ["watch", sample, "--session", session, "--json"]
    command += ["--tell-me-when", "somebody says satellite"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "load_engine", lambda choice, home: embedded)
        done = CliRunner().invoke(cli.app, [str(part) for part in command])
    assert done.exit_code == 0, done.output
    return Watched(session, [json.loads(line) for line in done.stdout.splitlines()])


def test_a_question_is_answered_with_evidence_and_cost(run: Run, watched: Watched) -> None:
    done = run("ask", watched.session, "What is the secret word?")
    assert done.exit_code == 0, done.output
    answer, rest = done.stdout.split("\nevidence", 1)
    assert "lantern" in answer.lower()
    assert "heard" in rest and "first token after" in rest


def test_json_gives_one_object_and_the_letter_of_the_choice(run: Run, watched: Watched) -> None:
    options = ["--option", "Chelsea", "--option", "Gate", "--option", "Lantern"]
    done = run("ask", watched.session, "What is the secret word?", *options, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["choice"] == "C" and told["answer"] == "Lantern"
    assert sum(told["probabilities"].values()) == pytest.approx(1.0)
    assert {"answer", "choice", "probabilities", "evidence", "timings", "counts"} <= told.keys()
    spans = [(e["start"], e["end"]) for e in told["evidence"]]
    assert spans == sorted(spans)


def test_a_question_at_a_second_sees_nothing_later(run: Run, sample: Path) -> None:
    done = run("ask", sample, "What is the secret word?", "--at", "20", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert "lantern" not in json.dumps(told).lower()
    assert told["time"] == pytest.approx(20.0, abs=0.01)
    assert all(e["end"] <= 20.0 + 1e-6 for e in told["evidence"])


def test_what_nobody_said_or_showed_is_not_made_up(run: Run, watched: Watched) -> None:
    done = run("ask", watched.session, "What does the zebra eat for breakfast?", "--json")
    assert done.exit_code == 0, done.output
    assert "not seen or heard" in json.loads(done.stdout)["answer"]


def test_the_timeline_tells_speech_text_objects_scenes_and_segments(watched: Watched) -> None:
    told = watched.told
    kinds = {line["kind"] for line in told}
    assert {"speech", "text", "object", "scene", "segment", "look", "end"} <= kinds
    read = " ".join(line["text"] for line in told if line["kind"] == "text")
    assert all(word in read for word in ("CHELSEA", "COLLINS", "GATE 42"))
    assert any("satellite" in line["text"] for line in told if line["kind"] == "speech")
    segments = [line["index"] for line in told if line["kind"] == "segment"]
    assert segments == list(range(len(segments)))


def test_a_standing_question_fires_once(watched: Watched) -> None:
    fired = [line for line in watched.told if line["kind"] == "fired"]
    assert [line["question"] for line in fired] == ["somebody says satellite"]
    assert 35 < fired[0]["time"] < 43


def test_a_killed_watch_goes_on_and_has_lost_nothing_that_was_shown(
    beginning: Path, tmp_path: Path
) -> None:
    session = tmp_path / "day.onlooker"
    command = [sys.executable, "-m", "app", "watch", beginning, "--session", session, "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ONLOOKER_HOME": str(home())}
    shown: list[dict[str, Any]] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
    ) as first:
        assert first.stdout is not None
        for line in first.stdout:
            shown.append(json.loads(line))
            if sum(told["kind"] == "segment" for told in shown) == 2:
                first.send_signal(signal.SIGKILL)
                break
    again = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment, timeout=240
    )
    assert again.returncode == 0
    later = [json.loads(line) for line in again.stdout.splitlines()]
    segments = [t for t in shown + later if t["kind"] == "segment"]
    assert [s["index"] for s in segments] == list(range(len(segments)))
    assert all(a["end"] == b["start"] for a, b in itertools.pairwise(segments))
    sealed_until = segments[1]["end"]
    for kind in ("speech", "text"):
        lost = [
            t["text"]
            for t in shown
            if t["kind"] == kind
            and t.get("start", t.get("time")) >= sealed_until
            and t["text"] not in {u["text"] for u in later if u["kind"] == kind}
        ]
        assert lost == []


def test_who_skims_is_told_that_key_frames_alone_are_looked_at(run: Run, tmp_path: Path) -> None:
    done = run("watch", write_clip(tmp_path / "clip.mp4", tone=None), "--skim")
    assert done.exit_code == 0, done.output
    assert "only key frames are looked at, at most 1 a second" in done.stderr


def test_a_camera_is_not_skimmed(run: Run) -> None:
    done = run("watch", "rtsp://127.0.0.1:1/none", "--skim")
    assert done.exit_code == 2 and "only files can" in done.stderr


def test_a_clip_is_watched_into_a_session_that_answers_without_it(
    run: Run, beginning: Path, tmp_path: Path
) -> None:
    session = tmp_path / "kept.onlooker"
    done = run("ask", beginning, "Which animal is it?", "--session", session)
    assert done.exit_code == 0 and "cat" in done.stdout, done.output
    done = run("ask", session, "What is the name of the cat?", "--json")
    assert done.exit_code == 0, done.output
    assert "chelsea" in json.loads(done.stdout)["answer"].lower()


BAD = [
    (["ask", "nowhere.mp4", "What?"], "nowhere.mp4 does not exist"),
    (["ask", "{folder}", "What?"], "none of its 2 files can be read"),
    (["ask", "{text}", "What?"], "is not a video or sound file"),
    (["ask", "{empty}", "What?"], "is empty"),
    (["ask", "{sample}", "  "], "the question is empty"),
    (["ask", "{sample}", "What?", "--option", "one"], "at least two"),
    (["ask", "{sample}", "What?", "--at", "400"], "past the end"),
    (["ask", "gone.onlooker", "What?"], "there is no such session"),
    (["watch", "rtsp://127.0.0.1:9/door"], "cannot be opened"),
    (["watch", "{sample}", "--webhook", "http://127.0.0.1:9/"], "give that too"),
    (["watch", "{sample}", "--session", "{text}"], "not a session of Onlooker"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_input_gets_a_message_and_exit_code_2(
    run: Run, sample: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "text.mp4").write_text("This is a letter, not a film. " * 40)
    (tmp_path / "empty.mp4").touch()
    places = {
        "folder": tmp_path,
        "text": tmp_path / "text.mp4",
        "empty": tmp_path / "empty.mp4",
        "sample": sample,
    }
    done = run(*(argument.format(**places) for argument in arguments))
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.output


@pytest.mark.parametrize("name", ["engine", "model"])
def test_an_engine_that_is_not_there_is_told(name: str, sample: Path) -> None:
    wrong = ["--engine", "crystal-ball"] if name == "engine" else ["--engine", "transformers"]
    done = CliRunner().invoke(cli.app, ["ask", str(sample), "What?", *wrong])
    assert done.exit_code == 2
    expected = "no engine 'crystal-ball'" if name == "engine" else "needs --model"
    assert expected in " ".join(done.stderr.split())


def test_a_damaged_clip_is_told_and_what_came_before_answers(run: Run, clips: Path) -> None:
    done = run("ask", clips / "corrupted.mp4", "What is there?", "--json")
    assert done.exit_code == 2
    assert "corrupted.mp4" in done.stderr and "kept" in done.stderr
    assert json.loads(done.stdout)["evidence"]


@pytest.mark.parametrize("name", ["jfk.flac", "video_90.mov", "unordered.mov"])
def test_sound_alone_pictures_alone_and_odd_files_are_watched(
    run: Run, clips: Path, name: str
) -> None:
    done = run("ask", clips / name, "What is there?", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["evidence"]


def test_of_two_video_streams_the_larger_is_taken_and_said(run: Run, clips: Path) -> None:
    done = run("ask", clips / "nasa_13013.mp4", "Where is the clean room?")
    assert "2 video streams, took the largest (480x270)" in done.stderr
    assert "Greenbelt" in done.stdout


def test_every_question_on_speech_in_the_shared_clips_is_answered_right(
    run: Run, clips: Path
) -> None:
    questions = json.loads((clips / "questions.json").read_text())
    speech = [q for q in questions if q["kind"] == "speech"]
    assert speech
    for asked in speech:
        options = [part for o in asked["options"] for part in ("--option", o[3:])]
        at = ["--at", str(asked["timestamp_s"])]
        done = run("ask", clips / asked["clip"], asked["question"], *at, *options, "--json")
        assert json.loads(done.stdout)["choice"] == asked["answer"], asked["question"]
