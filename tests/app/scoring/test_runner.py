import json

import pytest

from app.scoring.candidate import Guessing, Response
from app.scoring.prompts import Prompts
from app.scoring.protocol import play
from app.scoring.questions import Kind
from app.scoring.results import read_results
from app.scoring.runner import Runner, Share, result_files, video_finder
from tests.app.scoring.fakes import Scripted, question


def runner(candidate, tmp_path, mode="clip", missing=(), **more):
    return Runner(
        candidate=candidate,
        mode=mode,
        find=lambda name: None if name in missing else tmp_path / name,
        out=tmp_path,
        **more,
    )


def results(tmp_path):
    return {r.id: r for r in read_results(result_files(tmp_path))}


def test_clip_mode_opens_each_question_over_its_own_window_and_closes_it(tmp_path):
    candidate = Scripted()
    asked = [question("a", time=100.0, window=60.0), question("b", time=30.0)]
    runner(candidate, tmp_path).run(asked)
    assert candidate.opened == [("a.mp4", 40.0, 100.0), ("a.mp4", 0.0, 30.0)]
    assert candidate.closed == 2


def test_a_causal_candidate_is_asked_in_one_view_what_begins_at_the_same_second(tmp_path):
    candidate = Scripted(
        lambda ask: Response("no" if ask.options == ("Yes", "No") else "B"), causal=True
    )
    poll = question("p", kind=Kind.PROACTIVE, time=8.0, due=9.0, answer="x", options=())
    asked = [question("b", time=30.0), poll, question("a", time=20.0)]
    asked.append(question("alone", time=100.0, window=60.0))
    runner(candidate, tmp_path).run(asked)
    assert candidate.opened == [
        ("a.mp4", 0.0, None),
        ("a.mp4", 8.0, None),
        ("a.mp4", 40.0, 100.0),
    ]
    assert [ask.id for ask in candidate.asked if ask.id in "ab"] == ["a", "b"]
    assert set(results(tmp_path)) == {"a", "b", "p", "alone"}
    assert candidate.closed == 3


def test_stream_mode_opens_a_video_once_and_asks_in_the_order_of_time(tmp_path):
    candidate = Scripted(lambda ask: Response("no" if ask.options == ("Yes", "No") else "B"))
    poll = question("p", kind=Kind.PROACTIVE, time=8.0, due=9.0, answer="x", options=())
    runner(candidate, tmp_path, mode="stream").run(
        [question("late", time=11.5), poll, question("early", time=9.5)]
    )
    assert candidate.opened == [("a.mp4", 0.0, None)]
    times = [ask.time for ask in candidate.asked]
    assert times == sorted(times) == [9.0, 9.5, 10.0, 11.0, 11.5, 12.0, 13.0]
    assert set(results(tmp_path)) == {"late", "p", "early"}


@pytest.mark.parametrize("mode", ["clip", "stream"])
def test_an_engine_error_is_an_error_and_the_run_goes_on(tmp_path, mode):
    def reply(ask):
        if ask.id == "bad":
            raise RuntimeError("out of memory")
        return Response("B")

    runner(Scripted(reply), tmp_path, mode).run([question("bad"), question("good")])
    found = results(tmp_path)
    assert (found["bad"].status, found["bad"].error) == ("error", "RuntimeError: out of memory")
    assert (found["bad"].published, found["bad"].strict) == (None, False)
    assert found["good"].strict is True


def test_a_video_that_cannot_be_opened_does_not_end_the_run(tmp_path):
    class Picky(Scripted):
        def open(self, video, start, end):
            if video.name == "broken.mp4":
                raise OSError("no moov atom")
            return super().open(video, start, end)

    runner(Picky(), tmp_path, "stream").run([question("x", video="broken.mp4"), question("y")])
    assert [results(tmp_path)[name].status for name in ("x", "y")] == ["error", "scored"]


def test_a_missing_video_is_reported_and_asked_once_it_is_there(tmp_path):
    runner(Scripted(), tmp_path, missing=("a.mp4",)).run([question()])
    assert results(tmp_path)["q"].status == "missing"
    runner(Scripted(), tmp_path).run([question()])
    assert results(tmp_path)["q"].status == "scored"


def test_a_killed_run_goes_on_without_repeating_or_losing_a_question(tmp_path):
    class Killed(BaseException):
        pass

    def die(ask):
        if ask.id == "2":
            raise Killed
        return Response("B")

    asked = [question(str(number)) for number in range(5)]
    with pytest.raises(Killed):
        runner(Scripted(die), tmp_path).run(asked)
    path = tmp_path / "results.0.jsonl"
    with path.open("a") as file:
        file.write('{"id": "2", "benchm')
    again = Scripted()
    runner(again, tmp_path).run(asked)
    assert [ask.id for ask in again.asked] == ["2", "3", "4"]
    lines = [json.loads(line)["id"] for line in path.read_text().splitlines()]
    assert lines == ["0", "1", "2", "3", "4"]


def test_results_are_on_disk_as_they_come(tmp_path):
    seen = []
    path = tmp_path / "results.0.jsonl"
    runner(
        Scripted(), tmp_path, progress=lambda r: seen.append(len(path.read_text().splitlines()))
    ).run([question("a"), question("b")])
    assert seen == [1, 2]


def test_processes_share_the_videos_without_overlap_or_gap(tmp_path):
    asked = [question(f"{v}{n}", video=f"{v}.mp4") for v in "abcde" for n in range(2)]
    for rank in range(3):
        runner(Scripted(), tmp_path, share=Share(rank, 3)).run(asked)
    lines = [line for path in result_files(tmp_path) for line in path.read_text().splitlines()]
    assert len(lines) == len(asked)
    assert set(results(tmp_path)) == {q.id for q in asked}


@pytest.mark.parametrize("names", [("RANK", "WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE")])
def test_a_process_learns_its_share_from_its_launcher(monkeypatch, names):
    for name in ("RANK", "WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMI_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert Share.of_environment() == Share(0, 1)
    for name, value in zip(names, ("1", "3"), strict=True):
        monkeypatch.setenv(name, value)
    assert Share.of_environment() == Share(1, 3)


def test_guesses_depend_on_the_seed_and_the_question_alone():
    def guess(seed, name):
        ask = next(play(question(name), Prompts()))
        return Guessing(seed).open(None, 0, None).ask(ask).chosen

    names = [str(number) for number in range(300)]
    first = [guess(0, name) for name in names]
    assert first == [guess(0, name) for name in names]
    assert first != [guess(1, name) for name in names]
    assert all(70 < first.count(place) < 130 for place in range(3))


def test_videos_are_found_by_path_by_its_end_and_by_name(tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").touch()
    (tmp_path / "b.mp4").touch()
    find = video_finder(tmp_path)
    assert find("Ego4D/clips/a.mp4") == tmp_path / "clips" / "a.mp4"
    assert find("./videos/b.mp4") == tmp_path / "b.mp4"
    assert find("a.mp4") == tmp_path / "clips" / "a.mp4"
    assert find("c.mp4") is None
