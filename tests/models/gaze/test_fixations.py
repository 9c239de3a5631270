"""The detectors, against a second implementation that sees the whole recording at once."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.gaze.filters import NOISE_SPACING, Loss
from models.gaze.fixations import (
    DISPERSION,
    HEAD_WORN,
    POINTER,
    PRESETS,
    RECORDED,
    SCREEN,
    STREAMGAZE,
    Fixation,
    Settings,
    detect,
    detector,
)
from models.gaze.geometry import NEON, FieldOfView
from models.media import GazeSample

VIEW = FieldOfView(60, 40)


def scanpath(seed: int, rate: float, seconds: float = 3.0, lose: float = 0.0) -> list[GazeSample]:
    """Fixations of 0.1 to 0.5 s with noise, saccades of some 30 ms, and lost stretches."""
    rng = np.random.default_rng(seed)
    samples: list[GazeSample] = []
    time, x, y = 0.0, 0.5, 0.5
    while time < seconds:
        end = time + rng.uniform(0.1, 0.5)
        while time < end:
            spot = (x + rng.normal(0, 0.001), y + rng.normal(0, 0.001))
            samples.append(GazeSample(time, *spot))
            time += rng.uniform(0.95, 1.05) / rate
        target = rng.uniform(0.1, 0.9, 2)
        steps = round(0.03 * rate)
        for step in range(steps):
            part = (step + 1) / (steps + 1)
            samples.append(GazeSample(time, x + part * (target[0] - x), y + part * (target[1] - y)))
            time += rng.uniform(0.95, 1.05) / rate
        x, y = target
    kept = []
    lost_until = -1.0
    for sample in samples:
        if rng.random() < lose:
            lost_until = sample.time + rng.uniform(0.005, 0.2)
        if sample.time < lost_until:
            if rng.random() < 0.5:  # some trackers say so, some leave the sample out
                kept.append(replace(sample, x=math.nan, confidence=0.0))
        else:
            kept.append(sample)
    return kept


def in_retrospect(
    samples: list[GazeSample], chosen: Settings, view: FieldOfView
) -> list[tuple[float, float, float, float]]:
    """The same definitions, written down as passes over the whole recording."""
    good = [s for s in samples if math.isfinite(s.x) and s.confidence >= chosen.min_confidence]
    stretches: list[list[GazeSample]] = []
    times = np.array([s.time for s in samples])
    for sample in good:
        spacings = np.diff(times[times < sample.time])
        longest = max(chosen.max_gap, 1.5 * min(spacings, default=math.inf))
        if stretches and sample.time - stretches[-1][-1].time <= longest:
            last = stretches[-1][-1]
            for lost in samples:
                if last.time < lost.time < sample.time:
                    part = (lost.time - last.time) / (sample.time - last.time)
                    x, y = last.x + part * (sample.x - last.x), last.y + part * (sample.y - last.y)
                    stretches[-1].append(GazeSample(lost.time, x, y))
            stretches[-1].append(sample)
        else:
            stretches.append([sample])
    found = []
    for stretch in stretches:
        smooth = list(stretch)
        for before, here, after in zip(
            range(len(stretch)), range(1, len(stretch)), range(2, len(stretch)), strict=False
        ):
            three = [stretch[i] for i in (before, here, after)]
            if max(three[1].time - three[0].time, three[2].time - three[1].time) <= NOISE_SPACING:
                smooth[here] = replace(
                    three[1], x=median(s.x for s in three), y=median(s.y for s in three)
                )
        runs = (_slow if chosen.method == "i-vt" else _compact)(smooth, chosen, view)
        merged: list[list[GazeSample]] = []
        for run in runs:
            if merged:
                a, b = merged[-1][-1], run[0]
                if b.time - a.time <= chosen.merge_gap and (
                    view.angle(a.x, a.y, b.x, b.y) <= chosen.merge_angle
                ):
                    merged[-1].extend(run)
                    continue
            merged.append(list(run))
        found.extend(
            (
                run[0].time,
                run[-1].time,
                float(np.mean([s.x for s in run])),
                float(np.mean([s.y for s in run])),
            )
            for run in merged
            if run[-1].time - run[0].time >= chosen.min_duration
        )
    return found


def _slow(samples: list[GazeSample], chosen: Settings, view: FieldOfView) -> list[list[GazeSample]]:
    half = chosen.window / 2
    times = [s.time for s in samples]
    runs: list[list[GazeSample]] = []
    resting = False
    for i, here in enumerate(samples):
        if i and here.time - times[i - 1] > 1.25 * half:
            a, b = i - 1, i
        else:
            inside = [
                j
                for j, t in enumerate(times)
                if here.time - 1.25 * half <= t <= here.time + 1.25 * half
            ]
            earlier = [j for j in inside if times[j] <= here.time - 0.75 * half]
            later = [j for j in inside if times[j] >= here.time + 0.75 * half]
            a = max(earlier) if earlier else min(inside)
            b = min(later) if later else max(inside)
            if a == b:
                b = min(i + 1, len(samples) - 1)
        first, other = samples[a], samples[b]
        speed = (
            view.angle(first.x, first.y, other.x, other.y) / (other.time - first.time)
            if a != b
            else 0.0
        )
        if speed <= chosen.velocity:
            if resting:
                runs[-1].append(here)
            else:
                runs.append([here])
        resting = speed <= chosen.velocity
    return runs


def _compact(
    samples: list[GazeSample], chosen: Settings, view: FieldOfView
) -> list[list[GazeSample]]:
    def spread(some: list[GazeSample]) -> float:
        at = np.array([view.direction(s.x, s.y) for s in some])
        return float(np.ptp(at[:, 0]) + np.ptp(at[:, 1]))

    runs = []
    begin = 0
    while begin < len(samples):
        end = begin
        while end < len(samples) and samples[end].time - samples[begin].time < chosen.min_duration:
            end += 1
        if end == len(samples):
            break
        if spread(samples[begin : end + 1]) > chosen.dispersion:
            begin += 1
            continue
        while end + 1 < len(samples) and spread(samples[begin : end + 2]) <= chosen.dispersion:
            end += 1
        runs.append(samples[begin : end + 1])
        begin = end + 1
    return runs


@pytest.mark.parametrize("chosen", [HEAD_WORN, SCREEN, RECORDED, DISPERSION])
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rate=st.sampled_from([25.0, 30.0, 60.0, 90.0, 120.0, 200.0, 500.0]),
    lose=st.sampled_from([0.0, 0.02]),
)
def test_online_finds_what_is_found_in_retrospect(chosen, seed, rate, lose):
    samples = scanpath(seed, rate, seconds=1.5, lose=lose)
    rng = np.random.default_rng(seed)
    online = detector(chosen, VIEW)
    found = []
    for sample, after in zip(samples, [*samples[1:], None], strict=True):
        found += online.push(sample)
        if after is not None and rng.random() < 0.3:  # the stream's clock goes on meanwhile
            found += online.advance(rng.uniform(sample.time, after.time))
    found += online.finish()
    ours = [(f.start, f.end, f.x, f.y) for f in found if isinstance(f, Fixation)]
    expected = in_retrospect(samples, chosen, VIEW)
    assert len(ours) == len(expected)
    assert np.allclose(ours, expected, rtol=0, atol=1e-9)


RATES = [25, 30, 50, 60, 75, 90, 100, 110, 120, 200, 250, 500, 1000]


def delays(chosen, rate, lose):
    """Seconds of stream time from each fixation's end to when it is known, the stream's clock
    being told every millisecond."""
    online = detector(chosen, VIEW)
    samples = scanpath(rate, rate, seconds=2.0, lose=lose)
    found = []
    now = 0.0
    for sample in samples:
        while now < sample.time:
            found += [now - f.end for f in online.advance(now) if isinstance(f, Fixation)]
            now += 0.001
        found += [sample.time - f.end for f in online.push(sample) if isinstance(f, Fixation)]
    return found


@pytest.mark.parametrize("chosen", [HEAD_WORN, SCREEN, DISPERSION])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("lose", [0.0, 0.01])
def test_a_fixation_is_known_within_50_ms_of_its_end(chosen, rate, lose):
    found = delays(chosen, rate, lose)
    assert len(found) >= 3
    # No end shows before the next sample, nor a loss before 1.5 spacings.
    assert max(found) <= max(0.050, 1.6 / rate + 0.001)


def test_the_makers_own_fixations_are_found_in_a_real_recording(shared):
    samples, truth = neon(shared)
    found = detect(samples)
    pairs = matched(truth, found)
    assert 2 * len(pairs) / (len(truth) + len(found)) >= 0.9
    # The maker's centres lie a constant 27 x 7 pixels off its own gaze samples.
    shifts = np.array([(b.x - a.x, b.y - a.y) for a, b in pairs])
    dx, dy = np.median(shifts, axis=0)
    errors = [NEON.angle(a.x + dx, a.y + dy, b.x, b.y) for a, b in pairs]
    assert np.median(errors) < 0.3
    assert np.median([abs(b.duration - a.duration) for a, b in pairs]) < 0.025


def neon(shared):
    folder = shared / "gaze" / "neon_demo"
    with (folder / "gaze.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    origin = int(rows[0]["timestamp [ns]"])
    samples = [
        GazeSample(
            (int(r["timestamp [ns]"]) - origin) / 1e9,
            float(r["gaze x [px]"]) / 1600,
            float(r["gaze y [px]"]) / 1200,
        )
        for r in rows
    ]
    with (folder / "fixations.csv").open(encoding="utf-8") as file:
        truth = [
            Fixation(
                (int(r["start timestamp [ns]"]) - origin) / 1e9,
                (int(r["end timestamp [ns]"]) - origin) / 1e9,
                float(r["fixation x [px]"]) / 1600,
                float(r["fixation y [px]"]) / 1200,
            )
            for r in csv.DictReader(file)
        ]
    return samples, truth


def matched(truth, found):
    """Pairs that overlap by half of their union."""
    free = list(found)
    pairs = []
    for one in truth:
        for other in free:
            both = min(one.end, other.end) - max(one.start, other.start)
            if both >= 0.5 * (max(one.end, other.end) - min(one.start, other.start)):
                pairs.append((one, other))
                free.remove(other)
                break
    return pairs


def steady(begin: float, end: float, x: float, y: float = 0.5, rate: float = 200.0):
    count = round((end - begin) * rate)
    return [GazeSample(begin + i / rate, x, y) for i in range(count)]


def test_a_blink_ends_a_fixation_and_is_reported():
    samples = [*steady(0, 0.3, 0.4), *steady(0.5, 0.8, 0.4)]
    online = detector()
    events = [e for s in samples for e in online.push(s)] + online.finish()
    assert [type(e) for e in events] == [Fixation, Loss, Fixation]
    assert events[1].is_blink
    assert (events[0].end, events[2].start) == (pytest.approx(0.295), pytest.approx(0.5))
    assert not Loss(0.0, 2.0).is_blink


def test_a_short_loss_is_bridged():
    samples = [*steady(0, 0.3, 0.4), *steady(0.31, 0.6, 0.4)]
    assert len(detect(samples)) == 1


def test_a_single_spike_does_not_end_a_fixation():
    samples = steady(0, 0.4, 0.4)
    samples[40] = replace(samples[40], x=0.9)
    for chosen in (HEAD_WORN, DISPERSION):
        (fixation,) = detect(samples, chosen)
        assert fixation.x == pytest.approx(0.4)


def test_a_short_excursion_is_merged_over_and_a_long_one_is_not():
    for samples, expected in ((2, 1), (10, 2)):
        path = steady(0, 0.6, 0.4)
        for i in range(60, 60 + samples):
            path[i] = replace(path[i], x=0.6)
        assert len(detect(path, RECORDED if samples == 2 else HEAD_WORN)) == expected


def test_what_is_too_short_is_no_fixation():
    path = [*steady(0, 0.05, 0.2), *steady(0.05, 0.10, 0.5), *steady(0.10, 0.30, 0.8)]
    (fixation,) = detect(path)
    assert fixation.x == pytest.approx(0.8)


def test_the_open_fixation_shows_once_it_is_long_enough():
    online = detector()
    seen = []
    for sample in steady(0, 0.2, 0.3):
        online.push(sample)
        seen.append(online.current)
    assert seen[5] is None
    assert seen[-1] is not None and seen[-1].x == pytest.approx(0.3)


def test_samples_out_of_order_are_ignored():
    path = steady(0, 0.3, 0.3)
    assert detect([*path[:30], path[10], *path[30:]]) == detect(path)


@pytest.mark.parametrize("rate, count", [(24.0, 2), (200.0, 1)])
def test_streamgaze_labels_end_only_where_samples_are_sparse(rate, count):
    """Two clear fixations; at a tracker's rate the benchmark's extractor sees one."""
    path = [*steady(0, 3, 0.2, rate=rate), *steady(3, 6, 0.8, rate=rate)]
    found = detect(path, STREAMGAZE)
    assert len(found) == count
    if count == 1:
        assert found[0].x == pytest.approx(0.5)
    assert len(detect(path, HEAD_WORN)) == 2


def test_streamgaze_compares_with_the_first_sample_of_the_run():
    drift = [GazeSample(i / 24, 0.2 + 0.04 * i / 24, 0.5) for i in range(24 * 8)]
    found = detect(drift, STREAMGAZE)
    assert [round(f.duration, 1) for f in found] == [3.8, 3.7]


def test_every_preset_has_a_name():
    every = {HEAD_WORN, SCREEN, RECORDED, DISPERSION, POINTER, STREAMGAZE}
    assert set(PRESETS.values()) == every


@pytest.mark.parametrize(
    "wrong", [{"velocity": 0.0}, {"min_duration": -1.0}, {"merge_gap": 0.1, "max_gap": 0.05}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError):
        Settings(**wrong)
