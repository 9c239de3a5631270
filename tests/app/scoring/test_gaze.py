"""Scores with a set's own gaze, with another video's, and with none."""

from __future__ import annotations

import json

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from app.scoring.cli import build_app
from app.scoring.engines import Loaded
from app.scoring.gaze import gaze_finder
from app.scoring.questions import DataError
from tests.pipeline.fakes import engine

TASK = "present_object_identification_easy"
ALERT = "proactive_gaze_triggered_alert"


def film(path):
    """Four seconds of a picture that is bright on the left and dark on the right."""
    image = np.zeros((96, 160, 3), np.uint8)
    image[:, :80] = 255
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 160, 96
        for _ in range(40):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def table(path, x):
    path.write_text(
        "start_time_seconds,end_time_seconds,center_x,center_y\n"
        f"0.2,1.8,{x},0.5\n2.0,3.9,{1 - x},0.5\n"
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two videos that look alike; what is looked at in one is not what is in the other."""
    folder = tmp_path_factory.mktemp("set")
    (folder / "gaze").mkdir()
    entries, alerts = [], []
    for name, x, seen in (("P1", 0.2, "A"), ("P12", 0.8, "B")):
        film(folder / f"{name}.mp4")
        table(folder / "gaze" / f"{name}_fixation_filtered.csv", x)
        asked = {
            "question": "Which object is the user currently gazing at?",
            "time_stamp": "00:01",
            "answer": seen,
            "options": ["A. bright", "B. dark"],
            "task_type": TASK,
        }
        entries.append({"video_path": f"{name}.mp4", "questions": [asked]})
        first, then = ("bright", "dark") if seen == "A" else ("dark", "bright")
        told = {
            "question": f"Tell me when the user looks at the {first}.",
            "time_stamp": "00:00",
            "task_type": ALERT,
            "test_info": [{"realtime": "00:01", "type": 1}],
        }
        other = {
            **told,
            "question": f"Tell me when the user looks at the {then}.",
            "test_info": [{"realtime": "00:01", "type": 0}, {"realtime": "00:03", "type": 1}],
        }
        alerts.append({"video_path": f"{name}.mp4", "questions": [told, other]})
    (folder / "questions.json").write_text(json.dumps([*entries, *alerts]))
    return folder


def scored(made, out, *gaze, mode="clip"):
    """Share of right answers by task, and whose gaze the header says it was."""
    app = build_app({"fake": lambda choice: Loaded(engine())})
    command = ["run", str(made / "questions.json"), "--engine", "fake", "--mode", mode]
    done = CliRunner().invoke(app, [*command, "--out", str(out), *gaze])
    assert done.exit_code == 0, done.output
    results = [json.loads(line) for line in (out / "results.0.jsonl").read_text().splitlines()]
    assert all(r["status"] == "scored" for r in results), results
    right = {task: [r["strict"] for r in results if r["task"] == task] for task in (TASK, ALERT)}
    header = json.loads((out / "run.json").read_text())
    shares = {task: sum(map(bool, marks)) / len(marks) for task, marks in right.items()}
    return shares, header["protocol"]["gaze"]


@pytest.mark.parametrize("mode", ["clip", "stream"])
def test_the_sets_own_gaze_answers_what_the_pictures_cannot(made, tmp_path, mode):
    shares, whose = scored(made, tmp_path / "own", mode=mode)
    assert whose == "own"
    assert shares == {TASK: 1.0, ALERT: 1.0}


def test_without_gaze_it_is_guessed_and_with_anothers_it_is_wrong(made, tmp_path):
    shares, whose = scored(made, tmp_path / "none", "--gaze", "none")
    assert (whose, shares[TASK]) == ("none", 0.5)
    assert shares[ALERT] < 1.0
    shares, whose = scored(made, tmp_path / "shuffled", "--gaze", "shuffled")
    assert (whose, shares[TASK]) == ("shuffled", 0.0)
    assert shares[ALERT] < 0.5


def test_each_video_has_the_file_of_its_whole_name(made):
    whose, gaze_of = gaze_finder(None, made, ["P1.mp4", "P12.mp4"])
    assert whose == "own"
    assert gaze_of(made / "P1.mp4").points[0, 0] == 0.2
    assert gaze_of(made / "P12.mp4").points[0, 0] == 0.8
    _, other = gaze_finder(f"shuffled:{made / 'gaze'}", made.parent, ["a/P1.mp4", "b/P12.mp4"])
    assert other(made / "P1.mp4").points[0, 0] == 0.8
    assert gaze_finder(None, made.parent, ["P1.mp4"])[0] == "none"
    assert gaze_finder("none", made, ["P1.mp4"])[1](made / "P1.mp4") is None


@pytest.mark.parametrize(
    ("named", "videos", "told"),
    [
        ("nowhere", ["P1.mp4"], "nowhere is no folder"),
        (None, ["P3.mp4"], "no gaze of P3"),
        ("shuffled", ["P1.mp4"], "at least two"),
    ],
)
def test_gaze_that_is_not_there_is_told(made, named, videos, told):
    with pytest.raises(DataError, match=told):
        gaze_finder(named, made, videos)


def test_a_damaged_table_is_told(tmp_path):
    (tmp_path / "a.csv").write_text(
        "start_time_seconds,end_time_seconds,center_x,center_y\n1,x,,\n"
    )
    _, gaze_of = gaze_finder(str(tmp_path), tmp_path, ["a.mp4"])
    with pytest.raises(DataError, match=r"a\.csv"):
        gaze_of(tmp_path / "a.mp4")
