"""What one stream's pictures and sound say: the models' findings as observations.

The models are shared by all streams (:class:`Senses`); what follows one stream from moment
to moment (voice activity, text on screen, motion) is held by its :class:`Perception`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from memory.segment import Look, Observation, ScreenText, SeenObject, Utterance, Word
from models.media import AudioChunk, Frame
from models.speech.recogniser import Transcript
from models.speech.voice import Speech, VoiceActivity
from models.vision.faces import FaceFinder
from models.vision.facts import FactFinder, Moving
from models.vision.objects import Looked
from models.vision.text_reader import ReadText, TextReader, TextTracker
from pipeline.supervisor import Supervisor
from pipeline.understanding import Said, Understanding

REMIND = 8.0
"""Seconds after which text that still stands is reported again, so that every segment of some
length holds what can be read in it."""

UNHEARD = "what was said was not understood: this machine could not keep up"


class Hearing(Protocol):
    """Speech to words; None where nothing intelligible was said."""

    def transcribe(self, speech: Speech) -> Transcript | None: ...


class Seeing(Protocol):
    """Objects in a picture, RGB ``uint8 (H, W, 3)``, and its features."""

    def look(self, image: NDArray[np.uint8]) -> Looked: ...


@dataclass(frozen=True, slots=True)
class Senses:
    """The perception models, loaded once and shared by all streams.

    Attributes:
        faces: None where no face detector is installed.
        certain_above: confidence from which a label is taken as fact.
    """

    hearing: Hearing
    reading: TextReader
    seeing: Seeing
    faces: FaceFinder | None
    certain_above: float


@dataclass(frozen=True, slots=True)
class Sight:
    """What one picture gave: observations, and its features ``float16 (H, W, D)``, None where
    the model failed."""

    observations: tuple[Observation, ...]
    features: NDArray[np.float16] | None


class Perception:
    """Follows one stream. Feed it in stream-time order, from one thread at a time.

    Args:
        supervisor: runs the models' steps; one that fails is gone without.

    Attributes:
        understanding: what is said, on its way to words; :meth:`Understanding.start` it where the
            stream must not be held up.
    """

    def __init__(self, senses: Senses, supervisor: Supervisor | None = None) -> None:
        self._senses = senses
        self._supervisor = supervisor or Supervisor()
        self.understanding = Understanding(senses.hearing.transcribe)
        self._voice = VoiceActivity()
        self._text = TextTracker(senses.reading)
        self._facts = FactFinder()
        self._standing: list[ReadText] = []
        self._reported = 0.0
        self._size: tuple[int, ...] = ()

    @property
    def speaking_since(self) -> float | None:
        """Stream time at which the oldest speech began that is still going on, or not in words
        yet; None where there is none."""
        waiting = self.understanding.waiting
        return waiting[0].speech.start if waiting else self._voice.speaking_since

    @property
    def silent_since(self) -> float | None:
        """Stream time at which the last speech ended, or None."""
        return self._voice.silent_since

    def hear(self, chunk: AudioChunk) -> None:
        """Listen to ``chunk``; :meth:`understood` gives what was said."""
        feed = self._supervisor.attempt(
            "listening", chunk.end, lambda: self._voice.feed(chunk), since=chunk.time
        )
        # What was being said when listening failed is all there is of it.
        self._put(self._voice.finish() if feed is None else feed)

    def cut_off(self) -> None:
        """The sound ends here, for now."""
        self._put(self._voice.finish())

    def finish(self) -> list[Utterance]:
        """All that is still to be understood: the stream has ended."""
        self._put(self._voice.finish())
        return self.understood(everything=True)

    def understood(self, everything: bool = False) -> list[Utterance]:
        """Utterances that are in words since the last call. Of a stream that must not be held up
        they come some time after they end; ``everything`` is waited for at its end."""
        heard = []
        for said in self.understanding.understood(everything):
            speech = said.speech
            transcript = self._supervisor.attempt(
                "understanding speech", speech.end, said.words, since=speech.start
            )
            if transcript is not None:
                heard.append(_utterance(transcript))
        return heard

    @property
    def speech_so_far(self) -> tuple[Said, ...]:
        """What is not in words yet, oldest first; the last may still be going on."""
        speech = self._voice.so_far()
        going_on = () if speech is None else (self.understanding.said(speech),)
        return (*self.understanding.waiting, *going_on)

    @staticmethod
    def words(said: Said, now: float) -> Utterance | None:
        """What one of :attr:`speech_so_far` of stream time ``now`` says. From any thread, also
        while the stream is fed: it takes the recogniser about as long as the finished utterance
        will."""
        try:
            transcript = said.words()
        except Exception:  # told, and kept as a gap, when the finished utterance fails as well
            return None
        if transcript is None:
            return None
        return replace(_utterance(transcript), end=min(transcript.end, now))

    def see(self, frame: Frame, new_scene: bool = False, reading: bool = True) -> Sight:
        """What ``frame`` shows. Text is reported when it changes and every :data:`REMIND`
        seconds, the rest every time.

        Args:
            new_scene: nothing of the last picture is to be taken for still there.
            reading: False to leave text on screen unread.
        """
        image, time = frame.image, frame.time
        if new_scene or image.shape != self._size:
            self._forget_text()
        self._size = image.shape
        attempt = self._supervisor.attempt
        found: list[Observation] = []
        facts = self._facts.look(image)
        moving = tuple(_in_words(thing) for thing in facts.moving)
        finder = self._senses.faces
        faces = finder and attempt("finding faces", time, lambda: finder.find(image))
        look = Look(time, facts.motion, facts.brightness, facts.colours, faces or (), moving)
        found.append(look)
        looked = attempt("seeing", time, lambda: self._senses.seeing.look(image))
        if looked is not None:
            found.extend(SeenObject(time, o.label, o.confidence, o.box) for o in looked.labels)
        if reading:
            found.extend(self._read(image, time))
        else:
            self._forget_text()
        return Sight(tuple(found), None if looked is None else looked.features)

    def _read(self, image: NDArray[np.uint8], time: float) -> list[ScreenText]:
        failed = self._supervisor.faults["reading"]
        texts = self._supervisor.attempt("reading", time, lambda: self._text.update(image))
        if self._supervisor.faults["reading"] > failed:
            self._forget_text()
        if texts is not None:
            self._standing = texts
        if texts is None and time < self._reported + REMIND:
            return []
        self._reported = time
        return [ScreenText(time, t.text, t.box, t.confidence) for t in self._standing]

    def _forget_text(self) -> None:
        self._text = TextTracker(self._senses.reading)
        self._standing = []

    def _put(self, stretches: list[Speech]) -> None:
        for speech in stretches:
            unheard = self.understanding.put(speech)
            if unheard is not None and self._supervisor.begin("speech", unheard.start, UNHEARD):
                self._supervisor.end("speech", unheard.end)


def _in_words(thing: Moving) -> str:
    where = {"left": "to the left", "right": "to the right"}.get(thing.direction, thing.direction)
    return f"something {thing.colour} moves {where}"


def _utterance(transcript: Transcript) -> Utterance:
    return Utterance(
        transcript.start,
        transcript.end,
        transcript.text,
        tuple(Word(word.start, word.end, word.text) for word in transcript.words),
        transcript.confidence,
    )
