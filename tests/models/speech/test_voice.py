"""Voice activity: where speech is cut, on real speech and on made sound."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.media import SAMPLE_RATE, AudioChunk
from models.speech.voice import Speech, VoiceActivity
from pipeline.sources import open_source


def samples_of(path: Path) -> NDArray[np.float32]:
    with open_source(str(path)) as source:
        return np.concatenate([m.samples for m in source if isinstance(m, AudioChunk)])


@pytest.fixture(scope="module")
def narration(request: pytest.FixtureRequest) -> NDArray[np.float32]:
    """The first 24 s of the sample clip: three sentences between pauses."""
    return samples_of(request.getfixturevalue("sample"))[: 24 * SAMPLE_RATE]


def feed(
    voice: VoiceActivity, samples: NDArray[np.float32], size: int = 3200, time: float = 0.0
) -> list[Speech]:
    found: list[Speech] = []
    for first in range(0, len(samples), size):
        chunk = AudioChunk(time + first / SAMPLE_RATE, samples[first : first + size])
        found += voice.feed(chunk)
    return found


def test_sentences_are_cut_at_their_pauses(narration: NDArray[np.float32]) -> None:
    voice = VoiceActivity()
    found = feed(voice, narration) + voice.finish()
    said = [(0.7, 6.43), (8.7, 13.19), (16.7, 21.73)]
    assert len(found) == len(said)
    for speech, (start, end) in zip(found, said, strict=True):
        assert start - 0.5 < speech.start <= start + 0.1
        assert end - 0.1 <= speech.end < end + 0.5
        first = round(speech.start * SAMPLE_RATE)
        assert np.array_equal(speech.samples, narration[first : first + len(speech.samples)])


@pytest.mark.parametrize("size", [100, 512, 7001])
def test_cuts_do_not_depend_on_chunk_size(narration: NDArray[np.float32], size: int) -> None:
    part = narration[: 15 * SAMPLE_RATE]
    one, other = VoiceActivity(), VoiceActivity()
    expected = feed(one, part) + one.finish()
    found = feed(other, part, size) + other.finish()
    assert [(round(s.start, 6), len(s.samples)) for s in found] == [
        (round(s.start, 6), len(s.samples)) for s in expected
    ]


def test_says_who_is_speaking_while_they_do(narration: NDArray[np.float32]) -> None:
    voice = VoiceActivity()
    assert (voice.speaking_since, voice.silent_since, voice.so_far()) == (None, None, None)
    feed(voice, narration[: 3 * SAMPLE_RATE])
    assert voice.speaking_since == pytest.approx(0.6, abs=0.2)
    assert voice.silent_since is None
    open_speech = voice.so_far()
    assert open_speech is not None
    assert open_speech.start == voice.speaking_since
    assert open_speech.end == pytest.approx(3.0, abs=1e-6)
    feed(voice, narration[3 * SAMPLE_RATE : 8 * SAMPLE_RATE], time=3.0)
    assert voice.speaking_since is None
    assert voice.silent_since == pytest.approx(6.6, abs=0.3)
    assert voice.so_far() is None


def test_a_gap_in_time_closes_the_open_speech(narration: NDArray[np.float32]) -> None:
    voice = VoiceActivity()
    assert feed(voice, narration[: 4 * SAMPLE_RATE]) == []
    closed = voice.feed(AudioChunk(100.0, narration[:3200]))
    assert [round(s.end, 2) for s in closed] == [4.0]
    assert voice.speaking_since is None
    later = feed(voice, narration[3200 : 8 * SAMPLE_RATE], time=100.2)
    assert [round(s.start) for s in later] == [101]


def test_small_jitter_of_chunk_times_is_no_gap(narration: NDArray[np.float32]) -> None:
    voice = VoiceActivity()
    found: list[Speech] = []
    for index, first in enumerate(range(0, 8 * SAMPLE_RATE, 3200)):
        wobble = 0.02 * (index % 2)
        found += voice.feed(AudioChunk(first / SAMPLE_RATE + wobble, narration[first:][:3200]))
    assert len(found) == 1


def test_endless_speech_is_cut_in_time_and_loses_nothing(clips: Path) -> None:
    speech = samples_of(clips / "nasa_13013.mp4")
    voice = VoiceActivity(pause=2.0, longest=4.0)
    found = feed(voice, speech) + voice.finish()
    assert len(found) >= 3
    assert max(s.end - s.start for s in found) <= 4.05
    for before, after in pairwise(found):
        assert after.start == pytest.approx(before.end, abs=1e-6)


def test_cut_falls_on_the_quietest_point() -> None:
    """Speech as loud as may be, with one short hole: the cut is in the hole."""
    voice = VoiceActivity(longest=3.0)
    rng = np.random.default_rng(3)
    voice._session = _AlwaysSpeech()
    sound = rng.uniform(-0.5, 0.5, 4 * SAMPLE_RATE).astype(np.float32)
    hole = slice(round(2.4 * SAMPLE_RATE), round(2.55 * SAMPLE_RATE))
    sound[hole] = 0
    (first,) = feed(voice, sound)
    assert 2.4 <= first.end <= 2.56


class _AlwaysSpeech:
    def run(self, names: list[str], given: dict[str, NDArray[np.float32]]) -> list[object]:
        return [np.ones(len(given["input"]), np.float32), given["h"], given["c"]]


def test_silence_noise_and_a_click_are_no_speech() -> None:
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.01, 6 * SAMPLE_RATE).astype(np.float32)
    sound[3 * SAMPLE_RATE : 3 * SAMPLE_RATE + 80] = 0.9
    voice = VoiceActivity()
    assert feed(voice, sound) + voice.finish() == []
    assert voice.silent_since is None
