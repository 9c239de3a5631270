import json
from collections import Counter
from pathlib import Path

import pytest

from app.scoring.datasets import load, load_all, streamgaze
from app.scoring.datasets.options import plain_options
from app.scoring.datasets.times import mended, seconds
from app.scoring.questions import DataError, Kind


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("questions_real", 2500),
        ("questions_omni", 1500),
        ("questions_sqa", 250),
        ("questions_proactive", 250),
        ("questions_proactive_50", 51),
        ("questions_real_stream", 2495),
        ("questions_omni_stream", 1500),
        ("questions_sqa_stream", 250),
    ],
)
def test_every_streamingbench_entry_becomes_a_question(shared, name, count):
    found = load(shared / "benchmarks" / "streamingbench" / f"{name}.json")
    assert found.rejected == ()
    assert len({q.id for q in found.questions}) == len(found.questions) == count
    assert all(q.options or q.kind is Kind.PROACTIVE for q in found.questions)


def test_streamingbench_shows_four_options_and_names_where_more_were_published(shared):
    found = load(shared / "benchmarks" / "streamingbench" / "questions_omni.json")
    assert {len(q.options) for q in found.questions} == {4}
    more = [q for q in found.irregular if "are shown" in q.remarks[-1]]
    assert sorted(len(q.raw["options"]) for q in more) == [5, 6, 6, 7]
    assert not any(text.endswith(", ") for q in found.questions for text in q.options)


def test_mistyped_time_stamps_are_read_within_their_stretch_and_remarked(shared):
    folder = shared / "benchmarks" / "streamingbench"
    real = [q for q in load(folder / "questions_real.json").irregular if "read as" in q.remarks[0]]
    omni = [q for q in load(folder / "questions_omni.json").irregular if "read as" in q.remarks[0]]
    assert [(q.video, q.time) for q in real] == [("sample_132_real.mp4", 765.0)]
    assert [q.time for q in omni] == [311.0]


def test_sequential_questions_carry_the_earlier_ones_of_their_video_with_right_answers(shared):
    found = load(shared / "benchmarks" / "streamingbench" / "questions_sqa.json").questions
    of_one = [q for q in found if q.video == found[0].video]
    assert [len(q.history) for q in of_one] == list(range(len(of_one)))
    assert [turn.answer for turn in of_one[-1].history] == [q.answer for q in of_one[:-1]]


def test_window_is_a_minute_unless_all_context_is_wanted(shared):
    path = shared / "benchmarks" / "streamingbench" / "questions_sqa.json"
    assert {q.window for q in load(path).questions} == {60.0}
    assert {q.window for q in load(path, all_context=True).questions} == {None}


def test_every_ovo_bench_test_point_becomes_a_question(shared):
    found = load(shared / "benchmarks" / "ovo-bench" / "ovo_bench_new.json")
    assert found.rejected == ()
    assert len({q.id for q in found.questions}) == len(found.questions) == 3035
    counts = Counter(q.task for q in found.questions)
    assert (len(counts), counts["REC"], counts["SSR"], counts["CRR"]) == (12, 698, 629, 240)


def test_ovo_bench_truth_is_gt_and_the_differing_answer_text_is_remarked(shared):
    path = shared / "benchmarks" / "ovo-bench" / "ovo_bench_new.json"
    found = load(path)
    truth = {str(e["id"]): e["gt"] for e in json.loads(path.read_text()) if "gt" in e}
    assert all("ABCDE".index(q.answer) == truth[q.id] for q in found.questions if q.options)
    assert len(found.irregular) == 420


def test_streamgaze_present_question_and_proactive_test_points(shared, tmp_path):
    found = load(shared / "benchmarks" / "streamgaze" / "sample" / "sample_qa.json").questions
    assert (found[0].task, found[0].window, found[0].answer, found[0].options[2]) == (
        "present_object_identification_easy",
        60.0,
        "C",
        "knife",
    )
    points = [{"realtime": "02:02", "type": 0}, {"realtime": "00:03:10", "type": 1}]
    asked = {"question": "Tell me of the plate.", "time_stamp": "00:08", "test_info": points}
    path = tmp_path / "proactive_gaze_triggered_alert.json"
    path.write_text(json.dumps([{"video_path": "v.mp4", "questions": [asked]}]))
    assert [(q.time, q.answer, q.window, q.kind) for q in load(path).questions] == [
        (122.0, "no", None, Kind.YES_NO),
        (190.0, "yes", None, Kind.YES_NO),
    ]


@pytest.mark.parametrize("task", streamgaze.TASKS)
def test_every_streamgaze_task_is_told_by_its_file_and_has_its_window(tmp_path, task):
    asked = {"question": "q", "time_stamp": "02:05", "answer": "B"}
    if task.startswith("proactive"):
        asked["test_info"] = [{"realtime": "02:05", "type": 1}]
    else:
        asked["options"] = ["A. this", "B. that"]
    path = tmp_path / f"{task}.json"
    entry = {"video_path": "v.mp4", "response_time": "[02:00 - 02:04]", "questions": [asked]}
    path.write_text(json.dumps([entry]))
    (found,) = load(path).questions
    assert (found.task, found.group, found.time) == (task, task.partition("_")[0], 125.0)
    assert found.window == (60.0 if found.group == "present" else None)
    assert found.clue == (None if found.group == "proactive" else 124.0)


@pytest.mark.parametrize("options", [["yes", "no"], ["A. yes", "B. no"]])
def test_two_options_with_or_without_letters(options):
    assert plain_options(options) == (("yes", "no"), ())


def test_irregular_options_are_mended_and_remarked():
    assert plain_options(["A. one", "C. three", "B. two"])[0] == ("one", "two", "three")
    texts, remarks = plain_options(["A. red", "and blue", "B. green"])
    assert texts == ("red, and blue", "green")
    assert remarks == ("3 pieces joined to 2 options",)
    assert plain_options(["A.Lebrun.", "Fan Z.D.", "Ma Lin."])[0] == (
        "Lebrun.",
        "Fan Z.D.",
        "Ma Lin.",
    )


def test_clock_notations():
    assert [seconds(t) for t in ("01:02:03", "2:05", "75.5", 7)] == [3723, 125, 75.5, 7]
    with pytest.raises(ValueError, match="not a time"):
        seconds("soon")
    with pytest.raises(ValueError, match="no sensible reading"):
        mended("00:99999", (0.0, 60.0))


def test_an_unusable_entry_is_rejected_by_its_place_and_the_rest_loads(tmp_path):
    good = {
        "task_type": "Counting",
        "question": "How many?",
        "time_stamp": "00:00:05",
        "answer": "A",
        "options": ["1", "2", "3", "4"],
    }
    entries = [
        {"video_path": "./videos/a.mp4", "questions": [good, {**good, "answer": "Z"}]},
        {"video_path": "./videos/b.mp4", "questions": []},
    ]
    path = tmp_path / "questions.json"
    path.write_text(json.dumps(entries))
    found = load(path)
    assert len(found.questions) == 1
    assert [entry.where for entry in found.rejected] == ["[0].questions[1]", "[1]"]


def plain_file(path, *names):
    asked = {"video": "v.mp4", "time": 5, "task": "T", "question": "q", "answer": "A"}
    entries = [{**asked, "id": name, "options": ["x", "y"]} for name in names]
    path.write_text(json.dumps({"questions": entries}))
    return path


def test_a_plain_question_may_follow_others(tmp_path):
    path = plain_file(tmp_path / "a.json", "1", "2", "3")
    data = json.loads(path.read_text())
    data["questions"][1]["follows"] = ["1"]
    data["questions"][2]["follows"] = ["4"]
    path.write_text(json.dumps(data))
    found = load(path)
    assert [turn.answer for turn in found.questions[1].history] == ["A"]
    assert "follows '4'" in found.rejected[0].why


def test_files_of_one_benchmark_are_one_set_with_their_rejected_entries_told_by_file(tmp_path):
    files = [plain_file(tmp_path / "a.json", "1", "2", "2"), plain_file(tmp_path / "b.json", "3")]
    found, read = load_all(files)
    assert [q.id for q in found.questions] == ["1", "2", "3"]
    assert [entry.where for entry in found.rejected] == ["a.json questions[2]"]
    assert read == files


def test_a_folder_stands_for_its_questions(tmp_path):
    with pytest.raises(DataError, match=r"no \.json"):
        load_all([tmp_path])
    other = plain_file(tmp_path / "a.json", "1")
    assert load_all([tmp_path])[1] == [other]
    own = plain_file(tmp_path / "questions.json", "2")
    assert load_all([tmp_path])[1] == [own]


def test_files_that_share_a_question_or_are_of_two_benchmarks_are_refused(tmp_path, shared):
    a, b = plain_file(tmp_path / "a.json", "1"), plain_file(tmp_path / "b.json", "1")
    with pytest.raises(DataError, match="both hold question 1"):
        load_all([a, b])
    with pytest.raises(DataError, match="one at a time"):
        load_all([a, shared / "benchmarks" / "streamingbench" / "questions_proactive_50.json"])


def test_the_streamingbench_files_are_one_set_of_4500(shared):
    folder = shared / "benchmarks" / "streamingbench"
    names = ("real", "omni", "sqa", "proactive")
    found, _ = load_all([folder / f"questions_{name}.json" for name in names])
    assert len({q.task for q in found.questions}) == 18
    assert Counter(q.group for q in found.questions) == {
        "real-time visual": 2500,
        "omni-source": 1000,
        "contextual": 1000,
    }


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '[{"a": 1}]', '"x"', "[[]]"])
def test_what_is_no_question_file_is_refused_by_name(tmp_path, text):
    path = tmp_path / "strange.json"
    path.write_text(text)
    with pytest.raises(DataError, match="strange"):
        load(path)


def test_the_sample_set_is_sound(sample):
    found = load(Path(__file__).parents[2] / "data" / "sample_questions.json")
    truth = json.loads(sample.with_suffix(".json").read_text())
    assert found.rejected == () and found.irregular == ()
    assert len(found.questions) >= 40
    assert sum(q.kind is Kind.PROACTIVE for q in found.questions) >= 3
    assert {q.video for q in found.questions} == {sample.name}
    letters = Counter(q.answer for q in found.questions if q.options)
    assert max(letters.values()) - min(letters.values()) <= 1
    for asked in found.questions:
        assert 0 < asked.time <= truth["duration"]
        assert asked.clue is None or asked.clue <= asked.time
        assert asked.due is None or asked.time < asked.due <= truth["duration"]
