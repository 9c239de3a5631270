"""A part that fails is gone without, tried again ever more rarely, counted and told."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import pytest

from memory.segment import Gap, Look, SeenObject
from models.media import AudioChunk, Frame
from models.speech.voice import Speech, VoiceActivity
from models.vision.text_reader import TextReader
from pipeline.events import Remark
from pipeline.perception import Perception, Senses
from pipeline.supervisor import LONGEST_WAIT, PIECE, Supervisor
from tests.models.vision.pictures import photograph
from tests.pipeline.fakes import Ears, Eyes, Glasses


class Broken:
    """A model whose steps all raise while it is :attr:`broken`."""

    def __init__(self, model: object) -> None:
        self._model = model
        self.broken = True
        self.tried = 0

    def __getattr__(self, name: str) -> Callable[..., object]:
        def step(*args: object) -> object:
            self.tried += 1
            if self.broken:
                raise RuntimeError("out of memory")
            return getattr(self._model, name)(*args)

        return step


def senses(**broken: object) -> Senses:
    parts = {"hearing": Ears(), "reading": Glasses(), "seeing": Eyes(), "faces": None}
    return Senses(**{**parts, **broken}, certain_above=0.5)  # type: ignore[arg-type]


def fail() -> None:
    raise ValueError("bad")


def test_the_wait_doubles_up_to_its_longest() -> None:
    supervisor = Supervisor()
    tried: list[float] = []
    for time in range(400):
        supervisor.attempt("reading", float(time), lambda now=time: tried.append(now) or fail())
    waits = np.diff(tried).tolist()
    assert waits[:6] == [1, 2, 4, 8, 16, 32]
    assert set(waits[6:]) == {LONGEST_WAIT}
    assert supervisor.faults == {"reading": len(tried)}


def test_a_failure_is_told_once_at_each_end() -> None:
    told: list[Remark] = []
    supervisor = Supervisor(told.append)
    supervisor.attempt("reading", 10.0, fail)
    supervisor.attempt("reading", 11.0, fail)
    assert supervisor.attempt("reading", 12.0, lambda: "left out") is None
    assert supervisor.attempt("reading", 13.0, lambda: "text") == "text"
    assert [(r.time, r.kind) for r in told] == [(10.0, "fault"), (13.0, "fault")]
    assert "reading failed (ValueError: bad)" in told[0].text and "works again" in told[1].text
    assert supervisor.gaps(13.0) == (Gap(10.0, 13.0, "reading failed (ValueError: bad)"),)
    assert supervisor.gaps(100.0) == ()
    supervisor.attempt("reading", 20.0, fail)  # and a new failure waits anew
    assert supervisor.attempt("reading", 21.0, lambda: 1) == 1


def test_a_gap_that_goes_on_is_told_piece_by_piece_without_holes() -> None:
    supervisor = Supervisor()
    supervisor.attempt("reading", 5.0, fail)
    found = [gap for time in range(5, 200) for gap in supervisor.gaps(float(time))]
    found += supervisor.finish(200.0)
    assert found[0].start == 5.0 and found[-1].end == 200.0
    assert [a.end for a in found[:-1]] == [b.start for b in found[1:]]
    assert all(gap.end - gap.start >= PIECE for gap in found[:-1])


def test_parts_fail_apart() -> None:
    supervisor = Supervisor()
    supervisor.attempt("reading", 1.0, fail)
    assert supervisor.attempt("seeing", 1.0, lambda: "cat") == "cat"


def test_faces_are_not_looked_for_without_a_finder() -> None:
    seen = Perception(senses()).see(Frame(0.0, photograph("astronaut.png")), reading=False)
    (look,) = (o for o in seen.observations if isinstance(o, Look))
    assert look.faces == ()


@pytest.mark.parametrize("part", ["reading", "seeing", "faces"])
def test_what_fails_in_a_picture_leaves_the_rest_seen_and_comes_back(part: str) -> None:
    class Faces:
        def find(self, image: object) -> tuple[tuple[float, float, float, float], ...]:
            return ((0.1, 0.1, 0.2, 0.2),)

    class Letters(Glasses):
        def find(self, image: object) -> list[object]:  # type: ignore[override]
            return []

    models = {"reading": Letters(), "seeing": Eyes(), "faces": Faces()}
    broken = Broken(models[part])
    models[part] = broken  # type: ignore[assignment]
    supervisor = Supervisor()
    perception = Perception(senses(**models), supervisor)
    rng = np.random.default_rng(1)

    def see(time: float) -> list[object]:
        image = rng.integers(0, 255, (90, 160, 3), dtype=np.uint8)
        return list(perception.see(Frame(time, image), new_scene=True).observations)

    def kinds(found: list[object]) -> set[str]:
        given = {"seeing"} if any(isinstance(o, SeenObject) for o in found) else set()
        return given | ({"faces"} if any(isinstance(o, Look) and o.faces for o in found) else set())

    assert kinds(see(0.0)) == {"seeing", "faces"} - {part}
    assert kinds(see(0.5)) == {"seeing", "faces"} - {part}
    assert broken.tried == 1  # the second was left out
    broken.broken = False
    assert kinds(see(1.5)) == {"seeing", "faces"}
    assert broken.tried > 1
    assert sum(supervisor.faults.values()) == 1
    (gap,) = supervisor.gaps(2.0)
    assert (gap.start, gap.end) == (0.0, 1.5) and "out of memory" in gap.reason


def test_speech_that_cannot_be_understood_is_a_gap_where_it_was_spoken() -> None:
    ears = Broken(Ears())
    supervisor = Supervisor()
    perception = Perception(senses(hearing=ears), supervisor)
    perception.understanding.put(Speech(3.0, np.zeros(16_000, np.float32)))
    assert perception.understood() == []
    ears.broken = False
    perception.understanding.put(Speech(8.0, np.zeros(16_000, np.float32)))
    heard = perception.understood()
    assert [u.start for u in heard] == [8.0]
    assert [(g.start, g.end) for g in supervisor.gaps(9.0)] == [(3.0, 8.0)]


def test_when_listening_fails_nobody_counts_as_speaking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else no segment would ever close."""
    perception = Perception(senses(), supervisor := Supervisor())
    monkeypatch.setattr(
        VoiceActivity, "_judge", lambda self, frames: np.ones(len(frames), np.float32)
    )
    for i in range(10):
        perception.hear(AudioChunk(i / 5, np.zeros(3200, np.float32)))
    assert perception.speaking_since == pytest.approx(0.0)
    monkeypatch.setattr(VoiceActivity, "_judge", lambda self, frames: fail())
    perception.hear(AudioChunk(2.0, np.zeros(3200, np.float32)))
    heard = perception.understood()
    assert perception.speaking_since is None
    assert [u.start for u in heard] == [pytest.approx(0.0)]
    assert supervisor.faults == {"listening": 1}


def test_a_stream_whose_picture_changes_its_shape_is_read_on() -> None:
    reads: list[tuple[int, ...]] = []

    class Reading(Glasses):
        def find(self, image: np.ndarray) -> list[object]:  # type: ignore[override, type-arg]
            reads.append(image.shape)
            return []

    supervisor = Supervisor()
    perception = Perception(senses(reading=cast(TextReader, Reading())), supervisor)
    for time, shape in enumerate([(90, 160, 3), (120, 160, 3), (160, 90, 3)]):
        image = np.random.default_rng(time).integers(0, 255, shape, dtype=np.uint8)
        perception.see(Frame(float(time), image))
    assert reads == [(90, 160, 3), (120, 160, 3), (160, 90, 3)]
    assert supervisor.faults == {}
