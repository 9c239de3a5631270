import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.scoring.cli import build_app
from app.scoring.compare import compare
from app.scoring.questions import DataError
from app.scoring.results import marked
from app.scoring.table import tabulate
from tests.app.scoring.fakes import question

SET = Path(__file__).parents[2] / "data" / "sample_questions.json"
ROOT = Path(__file__).parents[3]


def score(*arguments):
    return CliRunner().invoke(build_app({}), [str(a) for a in arguments])


@pytest.fixture
def run(tmp_path, sample):
    out = tmp_path / "run"
    shown = score("run", SET, "--videos", sample.parent, "--engine", "random", "--out", out)
    assert shown.exit_code == 0, shown.output
    return out


def test_a_run_leaves_header_lines_and_three_reports(run):
    header = json.loads((run / "run.json").read_text())
    asked = json.loads(SET.read_text())["questions"]
    assert header["ids"] == [q["id"] for q in asked]
    assert [len(sha) for sha in header["data"]["files"].values()] == [64]
    assert {"engine", "protocol", "software", "hardware"} <= set(header)
    assert len((run / "results.0.jsonl").read_text().splitlines()) == len(asked)
    rows = list(csv.DictReader((run / "table.csv").open()))
    assert (rows[-1]["level"], rows[-1]["asked"]) == ("total", str(len(asked)))
    page = (run / "report.html").read_text()
    assert page.count("<svg") >= 2
    assert 'src="' not in page and "<link" not in page and "<script" not in page


def test_running_again_asks_nothing_again(run, sample):
    before = (run / "results.0.jsonl").read_bytes()
    again = score("run", SET, "--videos", sample.parent, "--engine", "random", "--out", run)
    assert again.exit_code == 0
    assert (run / "results.0.jsonl").read_bytes() == before


def test_another_run_may_not_use_the_same_folder(run, sample):
    shown = score(
        "run", SET, "--videos", sample.parent, "--engine", "random", "--out", run, "--seed", 7
    )
    assert (shown.exit_code, "another engine" in shown.output) == (2, True)


def test_tasks_and_limit_select(tmp_path, sample):
    out = tmp_path / "few"
    tasks = "counting, object recognition"
    score("run", SET, "--videos", sample.parent, "--engine", "random", "--out", out)
    few = tmp_path / "fewer"
    shown = score(
        *("run", SET, "--videos", sample.parent, "--engine", "random", "--out", few),
        *("--tasks", tasks, "--limit", 5),
    )
    assert shown.exit_code == 0
    lines = [json.loads(line) for line in (few / "results.0.jsonl").read_text().splitlines()]
    assert len(lines) == 5
    assert {line["task"] for line in lines} <= {"Counting", "Object Recognition"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", "absent.json", "--videos", ".", "--engine", "random"), "cannot read absent.json"),
        (("run", SET, "--videos", "nowhere", "--engine", "random"), "nowhere is no folder"),
        (("run", SET, "--videos", ".", "--engine", "oracle"), "no engine 'oracle'"),
        (("run", SET, "--videos", ".", "--engine", "random", "--tasks", "juggling"), "juggling"),
        (("import", "ovo-bench", "absent.json"), "cannot read absent.json"),
        (("run", SET, "--engine", "random", "--out", "taken/run"), "taken"),
        (("compare", "nowhere", "nowhere"), "no run.json"),
        (("report", "nowhere"), "no run.json"),
    ],
)
def test_bad_input_is_told_with_exit_code_2(arguments, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("taken").touch()
    shown = score(*arguments)
    assert shown.exit_code == 2
    assert told in " ".join(shown.output.split())


def test_a_missing_video_is_an_error_where_all_are_required(tmp_path):
    common = ("run", SET, "--videos", tmp_path, "--engine", "random", "--out", tmp_path / "o")
    shown = score(*common, "--require-all")
    assert shown.exit_code == 2
    assert "sample.mp4" in shown.output


def test_import_prints_json(tmp_path):
    entry = {"id": 1, "task": "EPM", "response": None, "ground_truth": "A"}
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"backward": [entry], "realtime": [], "forward": []}))
    shown = score("import", "ovo-bench", path, "--json")
    told = json.loads(shown.output)
    assert told["malformed"] == [["1", "null"]]
    assert told["rows"][-1]["published"]["value"] == 0.0


def test_compare_pairs_runs_over_the_same_data(run, tmp_path, sample):
    other = tmp_path / "other"
    score(
        *("run", SET, "--videos", sample.parent, "--engine", "random", "--out", other),
        *("--seed", 1),
    )
    shown = score("compare", run, other, "--json")
    total = next(p for p in json.loads(shown.output) if p["name"] == "total")
    parts = ("both", "only_first", "only_second", "neither")
    assert (
        total["n"]
        == sum(total[part] for part in parts)
        == len(json.loads(SET.read_text())["questions"])
    )
    assert 0 < total["p"] <= 1


def test_runs_over_different_truths_are_not_compared():
    first = [marked(question("a"), "B")]
    with pytest.raises(DataError, match="not the same data"):
        compare(first, [marked(question("a", answer="C"), "B")])
    with pytest.raises(DataError, match="share no question"):
        compare(first, [marked(question("b"), "B")])


def test_an_error_lowers_the_strict_share_and_leaves_the_published_one():
    from app.scoring.results import failed

    found = [marked(question("a"), "B"), failed(question("b"), "error", "boom")]
    row = tabulate([*found, failed(question("c"), "missing", "no video")])[-1]
    assert (row.asked, row.scored, row.errors, row.missing) == (3, 1, 1, 1)
    assert (row.published.value, row.strict.value) == (1.0, 0.5)


def launched(gate, *arguments):
    """Two processes as ``accelerate launch`` starts them, without GPUs too."""
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    command += ["--num_processes", "2", "-m", "tests.app.scoring.gated", gate, *arguments]
    return subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_two_processes_one_of_them_killed_end_in_the_report_of_a_single_one(tmp_path):
    asked = [
        {
            "id": f"{video}{number}",
            "video": f"{video}.mp4",
            "time": 5,
            "task": "Counting",
            "question": "How many?",
            "options": ["1", "2", "3"],
            "answer": "B",
        }
        for video in "abcd"
        for number in range(3)
    ]
    data = tmp_path / "set.json"
    data.write_text(json.dumps({"questions": asked}))
    for video in "abcd":
        (tmp_path / f"{video}.mp4").touch()
    one, two, gate = tmp_path / "one", tmp_path / "two", tmp_path / "gate"
    common = ("run", data, "--videos", tmp_path, "--engine", "random", "--out")
    # Of "a, c" and "b, d", the process of "a, c" stops before c1 and is killed there.
    first = launched(gate, *common, two)
    try:
        told = gate.with_suffix(".pid")
        deadline = time.monotonic() + 180
        while not (told.exists() and told.read_text()):
            assert time.monotonic() < deadline and first.poll() is None
            time.sleep(0.02)
        os.kill(int(told.read_text()), signal.SIGKILL)
        assert first.wait(180) != 0
    finally:
        first.kill()
    assert score("report", two).exit_code == 0
    assert "INCOMPLETE" in (two / "report.md").read_text()
    gate.touch()
    again = launched(gate, *common, two)
    try:
        assert again.wait(180) == 0
    finally:
        again.kill()
    assert score(*common, one).exit_code == 0
    for name in ("report.md", "table.csv", "report.html"):
        assert (two / name).read_text() == (one / name).read_text()
    ids = [
        json.loads(line)["id"]
        for path in two.glob("results.*.jsonl")
        for line in path.read_text().splitlines()
    ]
    assert sorted(ids) == sorted(q["id"] for q in asked)
