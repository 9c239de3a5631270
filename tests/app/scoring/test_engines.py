from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from app.scoring.engines import Loaded
from app.scoring.questions import Kind
from app.scoring.results import read_results
from app.scoring.runner import Runner, result_files
from models.media import Frame
from models.reasoning.reasoner import Evidence, Passage
from pipeline.sources.gaze import GazeTrack
from pipeline.sources.source import SourceError
from tests.app.scoring.fakes import question
from tests.pipeline.fakes import Echo, engine
from tests.pipeline.fakes import Scripted as Broken


class Witness(Echo):
    """Writes down, at each question, all that it had been given by then."""

    def __init__(self, had: list[tuple[Evidence, list[Passage]]]) -> None:
        super().__init__()
        self.had = had

    def choose(self, question, options, evidence):
        self.had.append((evidence, list(self.watched)))
        return super().choose(question, options, evidence)


def witnessed(had):
    return replace(engine(), new_reasoner=lambda scratch: Witness(had))


class Overheard:
    """A candidate whose requests for a choice are noted."""

    needs_video = True
    causal = True

    def __init__(self, candidate):
        self.candidate, self.asked = candidate, []

    def open(self, video, start, end):
        view = self.candidate.open(video, start, end)
        noted = SimpleNamespace(close=view.close)
        noted.ask = lambda ask: (self.asked.append(ask) if ask.options else None) or view.ask(ask)
        return noted


def run(candidate, mode, asked, sample, out):
    out.mkdir(exist_ok=True)
    Runner(candidate, mode, lambda name: sample, out).run(asked)
    return {result.id: result for result in read_results(result_files(out))}


def last_known(passages):
    """The latest stream second that some passages speak of, show or let be heard."""
    times = [0.0]
    for passage in passages:
        times += [passage.end, passage.known_at, *passage.frame_times]
        times += [line.end for line in passage.lines]
        if passage.audio is not None:
            times.append(passage.start + len(passage.audio) / 16_000)
    return max(times)


ASKED = [
    question("a", time=5.0),
    question("b", time=20.5, window=8.0),
    question("c", time=13.0, kind=Kind.YES_NO, answer="yes", options=()),
    question("p", time=14.2, due=16.0, kind=Kind.PROACTIVE, answer="coffee", options=()),
]


@pytest.mark.parametrize("mode", ["stream", "clip"])
def test_no_frame_or_word_after_the_question_reaches_the_reasoner(sample, tmp_path, mode):
    had = []
    candidate = Overheard(Loaded(witnessed(had)).candidate(lambda video: None))
    found = run(candidate, mode, ASKED, sample, tmp_path)
    assert {result.status for result in found.values()} == {"scored"}
    assert len(had) == len(candidate.asked) >= len(ASKED)
    for ask, (evidence, watched) in zip(candidate.asked, had, strict=True):
        assert evidence.passages and evidence.history == ()
        assert max(last_known(evidence.passages), last_known(watched)) <= ask.time + 1e-6
        first = min(passage.start for passage in (*evidence.passages, *watched))
        assert first >= (ask.start - 0.1 if mode == "clip" else 0.0)


def test_a_video_that_cannot_be_watched_is_an_error_of_its_questions(tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"this is no video")
    candidate = Loaded(engine()).candidate(lambda video: None)
    for mode in ("clip", "stream"):
        found = run(candidate, mode, ASKED[:2], broken, tmp_path / mode)
        assert [(r.status, "broken.mp4" in r.error) for r in found.values()] == [
            ("error", True)
        ] * 2


def test_a_video_that_breaks_off_is_an_error_of_the_questions_after_it(
    sample, tmp_path, monkeypatch
):
    frames = [Frame(n / 4, np.full((8, 8, 3), 200, np.uint8)) for n in range(12)]

    def breaking(path, start):
        return Broken(frames, failing=SourceError(f"{path.name}: broke off"))

    monkeypatch.setattr("app.scoring.engines.FileSource", breaking)
    candidate = Loaded(engine()).candidate(lambda video: None)
    asked = [question("before", time=1.5), question("after", time=4.9)]
    found = run(candidate, "stream", asked, sample, tmp_path)
    assert found["before"].status == "scored"
    assert (found["after"].status, "broke off" in found["after"].error) == ("error", True)


def test_the_gaze_reaches_a_candidate_up_to_the_question_and_no_further(sample, tmp_path):
    had = []
    times = np.arange(0, 60, 0.02)
    points = np.where(times[:, None] < 1.5, 0.25, 0.75) * np.ones(2)
    track = GazeTrack("g", "plain", times, points, np.ones(len(times)))
    candidate = Loaded(witnessed(had)).candidate(lambda video: track)
    run(candidate, "clip", [question(time=2.0)], sample, tmp_path)
    ((evidence, watched),) = had
    looks = [look for p in (*watched, *evidence.passages) for look in p.looks]
    assert {round(look.x, 2) for look in looks} == {0.25, 0.75}
    assert max(look.end for look in looks) <= 2.0
