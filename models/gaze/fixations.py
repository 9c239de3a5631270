"""Fixations: where the gaze rested, found while the samples come in.

Two published detectors, both working in degrees of visual angle:

- I-VT (velocity threshold), after Salvucci and Goldberg, Identifying Fixations and Saccades in
  Eye-Tracking Protocols, 2000, with the window, filters and merging of Olsen, The Tobii I-VT
  Fixation Filter, 2012;
- I-DT (dispersion threshold), after Salvucci and Goldberg, 2000.

Everything is decided from the samples' own times, so what is found online is what would be
found afterwards. With the default settings a fixation is known within 50 ms of its end.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from models.gaze.filters import MAX_GAP, GapFiller, Loss, NoiseFilter, is_valid
from models.gaze.geometry import NEON, FieldOfView
from models.media import GazeSample


@dataclass(frozen=True, slots=True)
class Fixation:
    """The gaze rested around ``x, y`` (normalised, mean of its samples) from ``start`` to
    ``end`` (stream seconds, first and last sample)."""

    start: float
    end: float
    x: float
    y: float

    @property
    def duration(self) -> float:
        return self.end - self.start


@dataclass(frozen=True)
class Settings:
    """How fixations are told from the rest. The defaults suit a head-worn tracker, live.

    Attributes:
        method: ``"i-vt"``, ``"i-dt"`` or ``"streamgaze"`` (see :class:`StreamGazeDetector`).
        velocity: I-VT: degrees a second above which the eye jumps. Olsen's 30 is for a head
            held still; a head that turns moves the scene under a steady gaze, and Tobii's
            attention filter for glasses takes 100. 120 lies on the plateau of ours on Neon
            recordings (docs/reports/gaze.md).
        window: I-VT: seconds over which velocity is measured, around each sample. Olsen takes
            20 ms; 30 halves what the noisier glasses add.
        dispersion: I-DT: most degrees that width and height together may reach. Pupil Labs
            recommends 1.5 for head-worn trackers; 1 is usual at a screen.
        min_duration: shorter fixations are dropped; seconds (Olsen: 60 ms).
        max_gap: longest loss of the eye that is bridged; seconds. Never less than 1.5 times
            the time between samples.
        merge_gap: fixations this close in time, in seconds, are one if also within
            ``merge_angle`` degrees (0.5 in Olsen), from the end of one to the start of the next.
            0 merges none. Olsen's 75 ms would take longer than 50 ms to tell; see ``RECORDED``.
        min_confidence: samples below it count as lost.
        radius: ``"streamgaze"``: normalised distance from the first sample.

    Raises:
        ValueError: a setting is out of range.
    """

    method: Literal["i-vt", "i-dt", "streamgaze"] = "i-vt"
    velocity: float = 120.0
    window: float = 0.030
    dispersion: float = 1.5
    min_duration: float = 0.060
    max_gap: float = MAX_GAP
    merge_gap: float = 0.016
    merge_angle: float = 0.5
    min_confidence: float = 0.5
    radius: float = 0.15

    def __post_init__(self) -> None:
        for name in ("velocity", "window", "dispersion", "radius"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("min_duration", "max_gap", "merge_gap", "merge_angle"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be below 0: {getattr(self, name)}")
        if self.merge_gap > self.max_gap:
            raise ValueError(
                f"merge_gap ({self.merge_gap} s) must not exceed max_gap ({self.max_gap} s): "
                "fixations are not merged across a lost eye"
            )


HEAD_WORN = Settings()
SCREEN = Settings(velocity=30.0, window=0.020)
"""A tracker at a screen, head still: threshold and window of Olsen 2012."""

DISPERSION = Settings(method="i-dt", merge_gap=0.0)
"""I-DT. It does not merge: where the next fixation begins is known only after
``min_duration``."""

RECORDED = Settings(max_gap=0.075, merge_gap=0.075)
"""For recordings: Olsen's gap and merging times in full. Known up to some 100 ms late."""

POINTER = Settings(velocity=15.0, window=0.080, min_duration=0.250, max_gap=0.075)
"""A pointer that stands for the eye: hands move slower and rest longer than eyes."""

STREAMGAZE = Settings(method="streamgaze", min_duration=2.0)
"""The extractor of the StreamGaze benchmark as its pipeline calls it for EGTEA Gaze+."""

PRESETS = {
    "head-worn": HEAD_WORN,
    "screen": SCREEN,
    "dispersion": DISPERSION,
    "recorded": RECORDED,
    "pointer": POINTER,
    "streamgaze": STREAMGAZE,
}


class Detector(Protocol):
    """Turns samples into fixations, in order. Not for several threads at once."""

    def push(self, sample: GazeSample) -> list[Fixation | Loss]:
        """What became known by ``sample``. One that is not later than the last is ignored."""
        ...

    def advance(self, time: float) -> list[Fixation | Loss]:
        """What is known if no sample comes before stream ``time``, in seconds: a fixation ends
        even where a tracker falls silent."""
        ...

    def finish(self) -> list[Fixation | Loss]:
        """What is still open when the samples end."""
        ...

    @property
    def current(self) -> Fixation | None:
        """The fixation that is still going on, once it lasts ``min_duration``."""
        ...


def detector(settings: Settings = HEAD_WORN, view: FieldOfView = NEON) -> Detector:
    """A detector for one stream of samples.

    Args:
        view: field of view of the picture that the samples are in.
    """
    if settings.method == "streamgaze":
        return StreamGazeDetector(settings)
    return AngularDetector(settings, view)


def detect(
    samples: Iterable[GazeSample], settings: Settings = HEAD_WORN, view: FieldOfView = NEON
) -> list[Fixation]:
    """The fixations of a whole recording: the same as found online."""
    online = detector(settings, view)
    found = [event for sample in samples for event in online.push(sample)]
    return [event for event in [*found, *online.finish()] if isinstance(event, Fixation)]


@dataclass(slots=True)
class _Rest:
    """A fixation under way."""

    first: GazeSample
    last: GazeSample
    x: float = 0.0
    y: float = 0.0
    count: int = 0
    closed: bool = False

    def add(self, sample: GazeSample) -> None:
        self.last = sample
        self.x += sample.x
        self.y += sample.y
        self.count += 1

    def fixation(self) -> Fixation:
        x, y = self.x / self.count, self.y / self.count
        return Fixation(self.first.time, self.last.time, x, y)


Kind = Literal["rests", "starts", "moves"]
"""What a sample is: of a fixation, of a fixation that is a new one in any case, or of none."""

Told = list[tuple[GazeSample, Kind]]


class _Classifier(Protocol):
    def push(self, sample: GazeSample) -> Told:
        """Samples that are now told apart, in order."""
        ...

    def flush(self) -> Told:
        """The rest of them: the eye is lost after the last."""
        ...


class AngularDetector:
    """I-VT and I-DT: bridge gaps, smooth, classify, merge, drop what is too short."""

    def __init__(self, settings: Settings, view: FieldOfView) -> None:
        self._settings = settings
        self._view = view
        self._gaps = GapFiller(settings.max_gap, settings.min_confidence)
        self._noise = NoiseFilter()
        self._classifier: _Classifier = (
            _Velocity(settings, view) if settings.method == "i-vt" else _Dispersion(settings, view)
        )
        self._rest: _Rest | None = None
        self._time = -math.inf

    @property
    def current(self) -> Fixation | None:
        if self._rest is None or self._rest.closed:
            return None
        fixation = self._rest.fixation()
        return fixation if self._is_long(fixation) else None

    def push(self, sample: GazeSample) -> list[Fixation | Loss]:
        if not sample.time > self._time:
            return []
        found = self.advance(sample.time)
        for item in self._gaps.push(sample):
            if isinstance(item, Loss):
                found.append(item)
                continue
            for smooth in self._noise.push(item):
                found.extend(self._take(self._classifier.push(smooth)))
        return found

    def advance(self, time: float) -> list[Fixation | Loss]:
        self._time = max(self._time, time)
        return self.finish() if self._gaps.is_lost(time) else []

    def finish(self) -> list[Fixation | Loss]:
        found: list[Fixation | Loss] = []
        for smooth in self._noise.flush():
            found.extend(self._take(self._classifier.push(smooth)))
        found.extend(self._take(self._classifier.flush()))
        return [*found, *self._emit()]

    def _take(self, told: Told) -> list[Fixation]:
        found: list[Fixation] = []
        for sample, kind in told:
            rest = self._rest
            if rest is not None and kind != "rests":
                rest.closed = True
            if kind == "moves":
                if rest is not None and sample.time - rest.last.time > self._settings.merge_gap:
                    found.extend(self._emit())
                continue
            if rest is not None and rest.closed and not self._goes_on(rest, sample):
                found.extend(self._emit())
                rest = None
            if rest is None:
                rest = self._rest = _Rest(sample, sample)
            rest.closed = False
            rest.add(sample)
        return found

    def _goes_on(self, rest: _Rest, sample: GazeSample) -> bool:
        last = rest.last
        return (
            sample.time - last.time <= self._settings.merge_gap
            and self._view.angle(last.x, last.y, sample.x, sample.y) <= self._settings.merge_angle
        )

    def _emit(self) -> list[Fixation]:
        rest, self._rest = self._rest, None
        if rest is None:
            return []
        fixation = rest.fixation()
        return [fixation] if self._is_long(fixation) else []

    def _is_long(self, fixation: Fixation) -> bool:
        return fixation.duration >= self._settings.min_duration


class _Velocity:
    """I-VT: the eye rests while it turns slower than the threshold.

    Velocity is taken between the samples nearest to half a window before and after, so it is
    known half a window late; where samples are sparser than that, from the sample before,
    at once.
    """

    def __init__(self, settings: Settings, view: FieldOfView) -> None:
        self._threshold = settings.velocity
        self._near, self._far = 0.75 * settings.window / 2, 1.25 * settings.window / 2
        self._view = view
        self._samples: deque[GazeSample] = deque()
        self._next = 0  # place in the deque of the first sample not yet told

    def push(self, sample: GazeSample) -> Told:
        self._samples.append(sample)
        return self._decide(False)

    def flush(self) -> Told:
        decided = self._decide(True)
        self._samples.clear()
        self._next = 0
        return decided

    def _decide(self, last: bool) -> Told:
        decided: Told = []
        samples = self._samples
        while self._next < len(samples):
            ends = self._ends(self._next, last)
            if ends is None:
                break
            first, other = ends
            rests = self._velocity(first, other) <= self._threshold
            decided.append((samples[self._next], "rests" if rests else "moves"))
            self._next += 1
            while self._next > 1 and samples[1].time < samples[self._next - 1].time - self._far:
                samples.popleft()
                self._next -= 1
        return decided

    def _ends(self, place: int, last: bool) -> tuple[int, int] | None:
        """Between which samples velocity is measured; None where that is not known yet."""
        samples = self._samples
        time = samples[place].time
        if place and time - samples[place - 1].time > self._far:
            return place - 1, place
        after = place
        while samples[after].time < time + self._near:
            if after + 1 == len(samples):
                if not last:
                    return None
                break
            after += 1
        beyond = after
        if samples[after].time > time + self._far:
            after -= 1
        before = place
        while before and samples[before].time > time - self._near:
            before -= 1
        if samples[before].time < time - self._far:
            before += 1
        return (before, after) if before != after else (before, beyond)

    def _velocity(self, first: int, other: int) -> float:
        a, b = self._samples[first], self._samples[other]
        if a is b:
            return 0.0
        return self._view.angle(a.x, a.y, b.x, b.y) / (b.time - a.time)


class _Dispersion:
    """I-DT: the eye rests while width plus height of the last samples stay small."""

    def __init__(self, settings: Settings, view: FieldOfView) -> None:
        self._most = settings.dispersion
        self._shortest = settings.min_duration
        self._view = view
        self._window: deque[GazeSample] = deque()
        self._rest: _Extent | None = None

    def push(self, sample: GazeSample) -> Told:
        told: Told = []
        if self._rest is not None:
            self._rest = self._rest.with_point(*self._view.direction(sample.x, sample.y))
            if self._rest.dispersion <= self._most:
                return [(sample, "rests")]
            self._rest = None
            # What this sample is will be told later; that the fixation has ended, now.
            told.append((sample, "moves"))
        window = self._window
        window.append(sample)
        while window and window[-1].time - window[0].time >= self._shortest:
            extent = _Extent()
            for held in window:
                extent = extent.with_point(*self._view.direction(held.x, held.y))
            if extent.dispersion <= self._most:
                told.append((window.popleft(), "starts"))
                told.extend((held, "rests") for held in window)
                window.clear()
                self._rest = extent
                break
            told.append((window.popleft(), "moves"))
        return told

    def flush(self) -> Told:
        told: Told = [(held, "moves") for held in self._window]
        self._window.clear()
        self._rest = None
        return told


@dataclass(frozen=True, slots=True)
class _Extent:
    """The bounding box of directions, in degrees."""

    left: float = math.inf
    right: float = -math.inf
    top: float = math.inf
    bottom: float = -math.inf

    def with_point(self, x: float, y: float) -> _Extent:
        return _Extent(min(self.left, x), max(self.right, x), min(self.top, y), max(self.bottom, y))

    @property
    def dispersion(self) -> float:
        return self.right - self.left + self.bottom - self.top


class StreamGazeDetector:
    """The fixation extractor of the StreamGaze benchmark (arXiv 2512.01707), reproduced.

    Each sample is compared with the first of the run, in normalised coordinates. A sample
    outside the radius ends the run only where more than ``gap`` seconds lie between it and
    the sample before: at 100 samples a second and more it therefore never does. Untracked
    samples count as a look at the corner (0, 0), as in the benchmark's tables. For its labels
    only; nothing here is in degrees.
    """

    def __init__(self, settings: Settings = STREAMGAZE, gap: float = 0.01) -> None:
        self._settings = settings
        self._gap = gap
        self._rest: _Rest | None = None

    @property
    def current(self) -> Fixation | None:
        return None if self._rest is None else next(iter(self._long(self._rest)), None)

    def push(self, sample: GazeSample) -> list[Fixation | Loss]:
        if not is_valid(sample, 0.0):
            sample = replace(sample, x=0.0, y=0.0)
        rest = self._rest
        if rest is None:
            self._start(sample)
            return []
        if not sample.time > rest.last.time:
            return []
        away = math.hypot(sample.x - rest.first.x, sample.y - rest.first.y)
        if away > self._settings.radius and sample.time - rest.last.time > self._gap:
            self._start(sample)
            return [*self._long(rest)]
        rest.add(sample)
        return []

    def advance(self, time: float) -> list[Fixation | Loss]:
        return []

    def finish(self) -> list[Fixation | Loss]:
        rest, self._rest = self._rest, None
        return [] if rest is None else [*self._long(rest)]

    def _start(self, sample: GazeSample) -> None:
        self._rest = _Rest(sample, sample)
        self._rest.add(sample)

    def _long(self, rest: _Rest) -> list[Fixation]:
        fixation = rest.fixation()
        return [fixation] if fixation.duration >= self._settings.min_duration else []
