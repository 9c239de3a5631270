"""The watching half of the path: media in, observations and segments out. No thread here."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from memory.memory import Memory
from memory.segment import Gap, Observation, SceneChange, Segment
from models.media import SAMPLE_RATE, AudioChunk, Break, Frame, Media, within
from pipeline.events import Remark
from pipeline.gaze import GazeWatcher
from pipeline.keeper import Keeper
from pipeline.perception import Perception
from pipeline.quality import Quality
from pipeline.sampler import Sampler
from pipeline.segmenter import Sealed, Segmenter
from pipeline.supervisor import Supervisor
from pipeline.understanding import Said

CUT = 0.1
"""Sampler score from which a frame counts as the first of a new scene."""

SOUND_KEPT = 60.0
"""Seconds of sound held for a reasoner that listens for itself."""

GAZE = "following the gaze"

SMALL = 480
"""Pixels of the longer side of a picture where quality is that low."""

SPARING = 1.0
"""Seconds from one look to the next, at least, where quality is low and scenes change."""

ABSENT = 5.0
"""Seconds without sound, or without pictures, after which a live source counts as having none."""

SHOWN = 8
"""Latest segments not on disk yet that a question is put with."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A stretch of the stream with its pictures and sound.

    Attributes:
        pictures: the sampled frames.
        sound: mono ``float32`` at 16 kHz of the stretch, or None where none was kept.
    """

    segment: Segment
    pictures: tuple[Frame, ...]
    sound: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class SoFar:
    """What memory does not hold yet at stream ``time``.

    Attributes:
        held: sealed and not on disk yet, oldest first.
        unsealed: the stretch that is still open.
        speech: what was said and is being said that is not in ``unsealed`` yet.
    """

    time: float
    held: tuple[Watched, ...]
    unsealed: Watched | None = None
    speech: tuple[Said, ...] = ()


class Watcher:
    """Feed it one stream's media in stream-time order; what it seals is in memory.

    Args:
        emit: called with each observation as it becomes known and each segment once it is
            on disk, on the calling thread.
        gaze: follows gaze samples, where the stream has them.
        sampled: called with each frame that is looked at.
        supervisor: of what may fail; that of ``perception``.
        tell: given what a person should know.

    Attributes:
        now: stream time up to which was watched, in seconds.
        offered, sampled: frames that came, and those of them that were looked at.
        quality: how closely is looked.
        expected: what a live source gives, of ``"sound"`` and ``"pictures"``; where one stays
            away, it is told.
        keeper: writes the segments.
    """

    def __init__(
        self,
        perception: Perception,
        sampler: Sampler,
        segmenter: Segmenter,
        memory: Memory,
        emit: Callable[[Observation | Segment], None],
        gaze: GazeWatcher | None = None,
        sampled: Callable[[Frame], None] = lambda frame: None,
        supervisor: Supervisor | None = None,
        tell: Callable[[Remark], None] = lambda remark: None,
    ) -> None:
        self.now = segmenter.start or 0.0
        self.offered = 0
        self.sampled = 0
        self._perception = perception
        self._sampler = sampler
        self._segmenter = segmenter
        self._emit = emit
        self._supervisor = supervisor or Supervisor()
        self._tell = tell
        self.keeper = Keeper(memory, emit, tell)
        self.quality = Quality.FULL
        self.expected: frozenset[str] = frozenset()
        self._came: dict[str, float] = {}
        self._looked = -math.inf
        self._gaze = gaze
        self._show = sampled
        self._sound: deque[AudioChunk] = deque()

    def take(self, media: Media) -> list[Watched]:
        """Watch one piece of media. What fails meanwhile is left to the supervisor.

        Returns:
            The segments that are on disk since; where the session cannot be written they are
            held.
        """
        if self._segmenter.start is None:
            self._segmenter.start = media.time
        return self._supervisor.attempt("watching", media.time, lambda: self._take(media)) or []

    def ease(self, quality: Quality) -> None:
        """From now on look as closely as ``quality`` says."""
        unread = "text on screen was not read: this machine could not keep up"
        if quality >= Quality.NO_READING > self.quality:
            self._supervisor.begin("text", self.now, unread)
        elif quality < Quality.NO_READING <= self.quality:
            self._supervisor.end("text", self.now)
        self._sampler.sparing = quality >= Quality.FEWER_PICTURES
        self.quality = quality

    def _take(self, media: Media) -> list[Watched]:
        if isinstance(media, Frame):
            return self._take_frame(media)
        if isinstance(media, AudioChunk):
            return self._take_sound(media)
        if isinstance(media, Break):
            return self._take_break(media)
        gaze = self._gaze
        if gaze is None:
            return []
        self.now = max(self.now, media.time)
        found = self._supervisor.attempt(GAZE, self.now, lambda: gaze.sample(media))
        return self._segment(tuple(found or ()))

    @property
    def wordless(self) -> float:
        """Seconds for which the oldest speech that has ended waits for its words."""
        waiting = self._perception.understanding.waiting
        return max(0.0, self.now - waiting[0].speech.end) if waiting else 0.0

    def finish(self) -> list[Watched]:
        """Seal what is open: the stream has ended.

        Raises:
            StoreError: the session cannot be written.
        """
        heard = self._perception.finish()
        rested = self._supervisor.attempt(GAZE, self.now, self._gaze.finish) if self._gaze else None
        missing = self._supervisor.finish(self.now)
        sealed = self._segment((*heard, *(rested or ()), *missing))
        sealed += self._keep(self._segmenter.finish(self.now))
        return sealed + [self._with_sound(each) for each in self.keeper.finish()]

    def so_far(self) -> SoFar:
        """What memory does not hold yet."""
        held = tuple(Watched(each.segment, (), None) for each in self.keeper.held[-SHOWN:])
        sealed = self._segmenter.open_segment(self.now)
        if sealed is None:
            return SoFar(self.now, held)
        return SoFar(self.now, held, self._with_sound(sealed), self._perception.speech_so_far)

    def heard_out(self, so_far: SoFar) -> list[Watched]:
        """What :meth:`so_far` gave, oldest first, with the words of the speech that was not in
        words yet. From any thread, also while the stream is watched."""
        unsealed, speech = so_far.unsealed, so_far.speech
        if unsealed is None:
            return list(so_far.held)
        words = [self._perception.words(said, so_far.time) for said in speech]
        if heard := tuple(each for each in words if each is not None):
            segment = unsealed.segment
            segment = replace(segment, observations=(*segment.observations, *heard))
            unsealed = replace(unsealed, segment=segment)
        return [*so_far.held, unsealed]

    def _take_frame(self, frame: Frame) -> list[Watched]:
        self.offered += 1
        self.now = max(self.now, frame.time)
        self._notice("pictures", frame.time)
        found: tuple[Observation, ...] = ()
        if (gaze := self._gaze) is not None:
            looks = self._supervisor.attempt(GAZE, self.now, lambda: gaze.frame(frame))
            found = tuple(looks or ())
        taken = self._sampler.offer(frame)
        cut = self._sampler.score >= CUT
        if cut:
            found = (*found, SceneChange(frame.time, self._sampler.score))
            # The first picture of a scene is worth a look, if there is any time at all.
            taken = self.quality is Quality.FULL or frame.time >= self._looked + SPARING
        if not taken:
            return self._segment(found)
        if self.quality >= Quality.SMALL_PICTURES:
            frame = Frame(frame.time, within(frame.image, SMALL))
        self.sampled += 1
        self._looked = frame.time
        self._show(frame)
        sight = self._perception.see(frame, cut, reading=self.quality < Quality.NO_READING)
        return self._segment((*found, *sight.observations), frame, sight.features)

    def _take_sound(self, chunk: AudioChunk) -> list[Watched]:
        self._sound.append(chunk)
        while self._sound[0].end < chunk.end - SOUND_KEPT:
            self._sound.popleft()
        self._notice("sound", chunk.end)
        self._perception.hear(chunk)
        self.now = max(self.now, chunk.end)
        return self._segment()

    def _take_break(self, away: Break) -> list[Watched]:
        """What was being said is cut off; the gap is kept, so that it can be asked about."""
        self._perception.cut_off()
        self.now = max(self.now, away.end)
        self._came.clear()
        return self._segment((Gap(away.time, away.end, away.reason),))

    def _notice(self, kind: str, time: float) -> None:
        """That something of ``kind`` has come, and whether what else should come has not."""
        if kind not in self.expected:
            return
        if self._supervisor.end(kind, time):
            self._tell(Remark(time, "fault", f"the source gives {kind} again"))
        self._came[kind] = time
        for other in self.expected - {kind}:
            since = self._came.setdefault(other, time)
            if time - ABSENT > since and self._supervisor.begin(
                other, since, f"no {other} came from the source"
            ):
                self._tell(Remark(time, "fault", f"no {other} has come since {since:.0f} s"))

    def _segment(
        self,
        found: tuple[Observation, ...] = (),
        frame: Frame | None = None,
        features: NDArray[np.float16] | None = None,
    ) -> list[Watched]:
        found = (*found, *self._perception.understood(), *self._supervisor.gaps(self.now))
        for observation in found:
            self._emit(observation)
        return self._keep(
            self._segmenter.add(
                self.now,
                found,
                frame,
                features,
                self._perception.speaking_since,
                self._perception.silent_since,
            )
        )

    def _keep(self, sealed: list[Sealed]) -> list[Watched]:
        return [self._with_sound(each) for each in self.keeper.keep(sealed)]

    def _with_sound(self, sealed: Sealed) -> Watched:
        start, end = sealed.segment.start, sealed.segment.end
        sound = np.zeros(max(0, round((end - start) * SAMPLE_RATE)), np.float32)
        heard = False
        for chunk in self._sound:
            first = round((chunk.time - start) * SAMPLE_RATE)
            low, high = max(0, first), min(len(sound), first + len(chunk.samples))
            if low < high:
                sound[low:high] = chunk.samples[low - first : high - first]
                heard = True
        return Watched(sealed.segment, sealed.pictures, sound if heard else None)
