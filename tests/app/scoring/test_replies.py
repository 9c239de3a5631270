import json

import pytest

from app.scoring.questions import DataError
from app.scoring.replies import import_replies
from app.scoring.table import tabulate

GEMINI = {
    "ASI": "76.35",
    "HLD": "52.69",
    "EPM": "58.59",
    "backward": "62.54",
    "ATR": "79.31",
    "ACR": "66.97",
    "OCR": "85.91",
    "STU": "58.43",
    "OJR": "61.96",
    "FPD": "63.37",
    "real-time": "69.32",
    "REC": "35.53",
    "SSR": "74.24",
    "CRR": "61.67",
    "forward": "57.15",
    "total": "63.00",
}
FLASH_VSTREAM = {
    "ASI": "37.16",
    "EPM": "39.06",
    "HLD": "5.91",
    "backward": "27.38",
    "real-time": "28.37",
    "forward": "45.09",
    "total": "33.61",
}


@pytest.mark.parametrize(("model", "table"), [("Gemini", GEMINI), ("FlashVStream", FLASH_VSTREAM)])
def test_published_ovo_bench_replies_give_the_published_table(shared, model, table):
    folder = shared / "benchmarks" / "ovo-bench" / "published" / model
    rows = tabulate(import_replies("ovo-bench", folder).results)
    found = {row.name: f"{100 * row.published.value:.2f}" for row in rows}
    assert {name: found[name] for name in table} == table
    assert rows[-1].asked == 3035


def write(path, data):
    path.write_text(json.dumps(data))
    return path


def backward(name, response):
    return {"id": name, "task": "EPM", "video": "v", "response": response, "ground_truth": "A"}


def test_malformed_ovo_bench_replies_are_wrong_and_named(tmp_path):
    replies = [["A"], None, "", {"a": 1}, 7, "A"]
    entries = [backward(number, reply) for number, reply in enumerate(replies)]
    entries.append({"id": 6, "task": "EPM", "ground_truth": "A"})
    path = write(tmp_path / "r.json", {"backward": entries, "realtime": [], "forward": []})
    found = import_replies("ovo-bench", path).results
    assert [r.published for r in found] == [False, False, False, False, False, True, False]
    assert [r.malformed for r in found] == [
        "a list, not a text",
        "null",
        "empty",
        "a dict, not a text",
        "a int, not a text",
        "",
        "null",
    ]


def test_an_ovo_bench_entry_that_cannot_be_marked_is_rejected_by_its_place(tmp_path):
    entries = [backward(0, "A"), {"id": 1, "task": "EPM", "response": "A"}, "nonsense"]
    path = write(tmp_path / "r.json", {"backward": entries, "realtime": [], "forward": None})
    found = import_replies("ovo-bench", path)
    assert len(found.results) == 1
    assert [entry.where for entry in found.rejected] == ["r.json backward[1]", "r.json backward[2]"]


def streaming(reply, **more):
    question = {
        "task_type": "Counting",
        "question": "How many?",
        "time_stamp": "00:00:05",
        "answer": "A",
        "options": ["A. 1", "B. 2", "C. 3", "D. 4"],
        "Model": reply,
    }
    return {"video_path": "v.mp4", "questions": [{**question, **more}]}


def test_streamingbench_replies_by_the_published_rule(tmp_path):
    data = [streaming(r) for r in ("A", "A. 1", "The answer is A", "", None, "B", ["A"])]
    found = import_replies("streamingbench", write(tmp_path / "r.json", data)).results
    assert [r.published for r in found] == [True, True, False, None, None, False, True]
    assert [r.strict for r in found] == [True, True, True, False, False, False, False]
    row = tabulate(found)[-1]
    assert (row.left_out, row.published.n, row.strict.n) == (2, 5, 7)


@pytest.mark.parametrize(
    ("polls", "output", "published", "strict"),
    [
        ([(28, "no"), (29, "Yes")], "3", True, True),
        ([(27, "yes")], "It is 3.", True, True),
        ([(26, "yes")], "3", False, False),
        ([(29, "yes")], "two", True, False),
        ([(29, "yesterday")], "3", True, False),
        ([(t, "no") for t in range(21, 34)], None, False, False),
    ],
)
def test_streamingbench_proactive_replies(tmp_path, polls, output, published, strict):
    said = [(time, reply) for time, reply in polls]
    if output is not None:
        said.append((polls[-1][0], output))
    history = [
        {"role": role, "content": text, "time": time}
        for time, reply in said
        for role, text in (("user", "?"), ("assistant", reply))
    ]
    question = {
        "task_type": "Proactive Output",
        "question": 'Say "3".',
        "time_stamp": "00:00:20",
        "ground_truth_time_stamp": "00:00:29",
        "ground_truth_output": "3",
        "M": {"answered": polls[-1][0] if output else False, "dialog_history": history},
    }
    path = write(tmp_path / "r.json", [{"video_path": "v.mp4", "questions": [question]}])
    (result,) = import_replies("streamingbench", path).results
    assert (result.published, result.strict) == (published, strict)


@pytest.mark.parametrize("reply", [None, [], {}, {"dialog_history": [None]}, "yes"])
def test_a_broken_proactive_dialogue_is_wrong_and_named(tmp_path, reply):
    question = {
        "task_type": "Proactive Output",
        "question": "q",
        "time_stamp": "00:00:20",
        "ground_truth_time_stamp": "00:00:29",
        "ground_truth_output": "3",
        "M": reply,
    }
    path = write(tmp_path / "r.json", [{"video_path": "v.mp4", "questions": [question]}])
    (result,) = import_replies("streamingbench", path).results
    assert (result.strict, result.malformed) == (False, "no dialogue")


def test_several_models_in_one_file_want_a_name(tmp_path):
    path = write(tmp_path / "r.json", [streaming("A", Other="B")])
    with pytest.raises(DataError, match="--model"):
        import_replies("streamingbench", path)
    assert import_replies("streamingbench", path, "Other").results[0].reply == "B"


def test_streamgaze_predictions_and_test_points(tmp_path):
    choice = {"question": "q", "time_stamp": "00:10", "answer": "C", "options": list("wxyz")}
    past = {
        "video_path": "v.mp4",
        "questions": [choice, choice, choice],
        "model_predictions": [{"model_prediction": "C. y"}, {"model_prediction": "A cup, so C"}],
    }
    found = import_replies("streamgaze", write(tmp_path / "past_scene_recall_output.json", [past]))
    assert [r.published for r in found.results] == [True, False, None]
    points = [
        {"realtime": "00:10", "type": 0, "response": "No"},
        {"realtime": "00:20", "type": 1, "response": "not yes"},
        {"realtime": "00:30", "type": 1},
    ]
    alert = {
        "video_path": "v.mp4",
        "questions": [{"question": "q", "time_stamp": "00:05", "test_info": points}],
    }
    path = write(tmp_path / "proactive_gaze_triggered_alert_output.json", [alert])
    results = import_replies("streamgaze", path).results
    assert [(r.published, r.strict) for r in results] == [
        (True, True),
        (True, False),
        (False, False),
    ]


@pytest.mark.parametrize("benchmark", ["ovo-bench", "streamingbench", "streamgaze"])
@pytest.mark.parametrize("data", [{}, [], 3, {"backward": 1}, [[1]], [{"questions": 1}]])
def test_what_is_no_result_file_is_refused(tmp_path, benchmark, data):
    with pytest.raises(DataError, match=r"odd\.json"):
        import_replies(benchmark, write(tmp_path / "odd.json", data))
