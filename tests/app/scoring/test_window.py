import pytest

from app.scoring.engine import Sessions
from app.scoring.runner import Runner
from app.scoring.window import Window
from models.media import AudioChunk, Frame
from models.reasoning.reasoner import Counts
from pipeline.sources.file import FileSource
from tests.app.scoring.fakes import question


class Told:
    """An answer without words."""

    choice = 0
    spans = ()
    counts = Counts()

    def __iter__(self):
        return iter(["A"])


class Recording:
    """A session that takes all its source gives, and notes what it had at each question."""

    def __init__(self, source, log):
        self.source, self.log, self.reached = source, log, []

    def watch_until(self, time):
        with self.source as source:
            self.reached = list(source)

    def ask(self, question, options, at):
        self.log.append((at, self.reached))
        return Told()

    def close(self):
        pass


@pytest.mark.parametrize("start", [0.0, 3.0])
@pytest.mark.parametrize("end", [3.3, 10.03, 31.7])
def test_a_window_gives_all_of_its_stretch_and_nothing_else(sample, start, end):
    with Window(FileSource(sample), start, end) as source:
        media = list(source)
    frames = [item for item in media if isinstance(item, Frame)]
    sound = [item for item in media if isinstance(item, AudioChunk)]
    assert frames and start <= frames[0].time < start + 0.3
    assert end - 0.3 < frames[-1].time <= end
    assert start - 1e-3 <= sound[0].time <= start + 0.1
    assert end - 0.01 < sound[-1].end <= end + 1e-6


def test_no_frame_or_sound_after_the_question_reaches_an_engine_in_clip_mode(sample, tmp_path):
    log = []
    candidate = Sessions(
        facts={"engine": "recording"},
        source=lambda path, start: FileSource(path, start=start),
        begin=lambda source: Recording(source, log),
    )
    asked = [
        question(str(t), time=t, window=w) for t, w in ((5.0, None), (20.5, 8.0), (59.0, 57.0))
    ]
    Runner(candidate, "clip", lambda name: sample, tmp_path).run(asked)
    assert [at for at, _ in log] == [5.0, 20.5, 59.0]
    for (at, media), one in zip(log, asked, strict=True):
        first = 0.0 if one.window is None else max(0.0, at - one.window)
        ends = [item.end if isinstance(item, AudioChunk) else item.time for item in media]
        assert media and max(ends) <= at + 1e-6
        assert min(item.time for item in media) >= first - 1e-3
