"""The watching half of the path: media in, observations and segments out. No thread here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from memory.memory import Memory
from memory.segment import Gap, Observation, SceneChange, Segment
from models.media import SAMPLE_RATE, AudioChunk, Break, Frame, Media
from pipeline.gaze import GazeWatcher
from pipeline.perception import Perception
from pipeline.sampler import Sampler
from pipeline.segmenter import Sealed, Segmenter

CUT = 0.1
"""Sampler score from which a frame counts as the first of a new scene."""

SOUND_KEPT = 60.0
"""Seconds of sound held for a reasoner that listens for itself."""


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


class Watcher:
    """Feed it one stream's media in stream-time order; what it seals is in memory.

    Args:
        emit: called with each observation as it becomes known and each segment once it is
            on disk, on the calling thread.
        gaze: follows gaze samples, where the stream has them.
        sampled: called with each frame that is looked at.

    Attributes:
        now: stream time up to which was watched, in seconds.
        offered, sampled: frames that came, and those of them that were looked at.
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
    ) -> None:
        self.now = segmenter.start or 0.0
        self.offered = 0
        self.sampled = 0
        self._perception = perception
        self._sampler = sampler
        self._segmenter = segmenter
        self._memory = memory
        self._emit = emit
        self._gaze = gaze
        self._show = sampled
        self._sound: deque[AudioChunk] = deque()
        self._unwritten: deque[Sealed] = deque()

    def take(self, media: Media) -> list[Watched]:
        """Watch one piece of media.

        Returns:
            The segments that were sealed by it; they are on disk.

        Raises:
            StoreError: the session cannot be written. The segment is held, and written
                with the next one or by :meth:`finish`.
        """
        if self._segmenter.start is None:
            self._segmenter.start = media.time
        if isinstance(media, Frame):
            return self._take_frame(media)
        if isinstance(media, AudioChunk):
            return self._take_sound(media)
        if isinstance(media, Break):
            return self._take_break(media)
        if self._gaze is None:
            return []
        self.now = max(self.now, media.time)
        return self._segment(tuple(self._gaze.sample(media)))

    def finish(self) -> list[Watched]:
        """Seal what is open: the stream has ended.

        Raises:
            StoreError: the session cannot be written.
        """
        heard = self._perception.finish()
        rested = self._gaze.finish() if self._gaze is not None else []
        sealed = self._segment((*heard, *rested))
        return sealed + self._keep(self._segmenter.finish(self.now))

    def so_far(self) -> Watched | None:
        """The stretch that is not sealed yet, with the speech that is still going on."""
        sealed = self._segmenter.open_segment(self.now)
        if sealed is None:
            return None
        watched = self._with_sound(sealed)
        speech = self._perception.said_so_far(self.now)
        if speech is None:
            return watched
        observations = (*watched.segment.observations, speech)
        return replace(watched, segment=replace(watched.segment, observations=observations))

    def _take_frame(self, frame: Frame) -> list[Watched]:
        self.offered += 1
        self.now = max(self.now, frame.time)
        found: tuple[Observation, ...] = ()
        if self._gaze is not None:
            found = tuple(self._gaze.frame(frame))
        taken = self._sampler.offer(frame)
        cut = self._sampler.score >= CUT
        if cut:
            found = (*found, SceneChange(frame.time, self._sampler.score))
            taken = True  # the first picture of a scene is always worth a look
        if not taken:
            return self._segment(found)
        self.sampled += 1
        self._show(frame)
        sight = self._perception.see(frame, new_scene=cut)
        return self._segment((*found, *sight.observations), frame, sight.features)

    def _take_sound(self, chunk: AudioChunk) -> list[Watched]:
        self._sound.append(chunk)
        while self._sound[0].end < chunk.end - SOUND_KEPT:
            self._sound.popleft()
        heard = self._perception.hear(chunk)
        self.now = max(self.now, chunk.end)
        return self._segment(tuple(heard))

    def _take_break(self, away: Break) -> list[Watched]:
        """What was being said is cut off; the gap is kept, so that it can be asked about."""
        cut_off = self._perception.finish()
        self.now = max(self.now, away.end)
        return self._segment((*cut_off, Gap(away.time, away.end, away.reason)))

    def _segment(
        self,
        found: tuple[Observation, ...],
        frame: Frame | None = None,
        features: NDArray[np.float16] | None = None,
    ) -> list[Watched]:
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
        self._unwritten.extend(sealed)
        kept = []
        while self._unwritten:
            # Numbered here: in a memory of several sources others may have come between.
            number = self._memory.next_index
            each = replace(
                self._unwritten[0], segment=replace(self._unwritten[0].segment, index=number)
            )
            self._memory.append(each.segment)
            self._unwritten.popleft()
            self._emit(each.segment)
            kept.append(self._with_sound(each))
        return kept

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
