"""How memory stays under its byte budget: old detail fades, what was told stays.

Segments older than :data:`SETTLED` are gathered into *episodes* (``memory/episodes.py``),
episodes of a day that is over into *days*: the tree on the timeline. Gathering loses
nothing. Only when the file holds more than its budget does detail fade, the oldest first,
where importance counts as youth:

====  =====================================================================================
step  what goes
====  =====================================================================================
0     features of segments older than :data:`RECENT`
1     of an episode: looks, unsure labels, labels and words that only repeat, gazes that
      rested on nothing named, the times of single words, and thumbnails but one a minute and
      those of segments that were asked about; a segment's crops of what was looked at go
      with its thumbnail
2     of an episode: thumbnails but one in ten minutes, and those asked about
3     of an episode: half the bytes of its embeddings (eight bits a value are left)
====  =====================================================================================

What never goes: every segment with its times; words spoken and read, with theirs; notes; the
first sure sight of a thing in ten minutes; gazes on something named; cuts and gaps; turns.
If these alone exceed the budget, :attr:`Consolidated.over` says by how much.

Causality. An answer as of stream time t must rest on nothing later than t. Fading takes away
and never adds: ``segments(until=t)`` after it is a part of what it was before, and of what
never goes it is the same, bit for bit. Which observation or thumbnail is kept is decided by
it and earlier ones alone (the first of its minute, the first of its kind), never by what
followed. Three things of a later time do have a say in how much is *forgotten*: how long ago
it was, how much has been stored since, and whether it has been asked about.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from memory.archive import Archive, Episode, Held
from memory.codec import encode_observation, kind_of, text_of
from memory.episodes import DAY, Scene, episodes, note, scene
from memory.importance import importance
from memory.segment import (
    Fixation,
    Look,
    ScreenText,
    SeenObject,
    Utterance,
)

SETTLED = 120.0
"""Seconds after which a segment may become part of an episode: notes have been written."""

RECENT = 60.0
"""Seconds within which features are left alone."""

SURE = 0.5
"""Confidence from which a label is kept."""

AGAIN = 600.0
"""Seconds (whole stretches of them) in which a label is kept once."""

THUMBNAIL_EVERY = {1: 60.0, 2: 600.0}
"""Seconds (whole stretches of them) of which one thumbnail is kept, by step."""

YOUTH = 3600.0
"""Seconds by which a segment of importance 1 counts as younger than one of 0."""

LAST_STEP = 3
_BATCH = 512
_FEATURES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Consolidated:
    """What one step of consolidation did.

    Attributes:
        episodes, days: that were gathered.
        faded: episodes that lost detail, and segments that lost features.
        bytes: in use after it.
        over: bytes above the budget that cannot be given up; 0 while there is detail left.
        more: whether there is more to do: call again when there is time.
    """

    episodes: int
    days: int
    faded: int
    bytes: int
    over: int
    more: bool


def consolidate(
    archive: Archive,
    now: float,
    budget: int,
    steps: int,
    removed: Callable[[Sequence[int]], None],
) -> Consolidated:
    """One step: gather what is settled at stream time ``now``, then fade until the file holds
    at most ``budget`` bytes, in at most ``steps`` transactions.

    Args:
        removed: told the ids of lines that were removed.

    Raises:
        StoreError: the session cannot be written. What had been done before stays done.
    """
    gathered, days, more = 0, 0, False
    for source in archive.sources:
        found, waiting = _gather(archive, source, now)
        gathered, more = gathered + found, more or waiting
        days += _gather_days(archive, source)
    asked = archive.asked_about()
    faded = 0
    over = 0
    for _ in range(steps):
        over = max(0, archive.bytes_used() - budget)
        if not over:
            break
        done = _drop_features(archive, now, asked)
        if not done and (episode := _next_to_fade(archive, asked)) is not None:
            removed(_fade(archive, episode, asked))
            done = 1
        if not done:
            return Consolidated(gathered, days, faded, archive.bytes_used(), over, more)
        faded += done
    used = archive.bytes_used()
    return Consolidated(gathered, days, faded, used, 0, more or used > budget)


def _gather(archive: Archive, source: str, now: float) -> tuple[int, bool]:
    """Put settled segments of a source into episodes; how many of these there are, and whether
    more segments wait."""
    settled = archive.unparted(source, now - SETTLED, _BATCH)
    lines = archive.vectors_of([segment.index for segment in settled])
    scenes = [scene(segment, lines.get(segment.index, ())) for segment in settled]
    found = list(episodes(scenes))
    if not found and len(scenes) == _BATCH:  # very short segments: cut by number instead
        found = [scenes]
    asked = archive.asked_about()
    archive.add(1, [_episode(run, asked) for run in found])
    return len(found), len(settled) == _BATCH


def _episode(run: Sequence[Scene], asked: frozenset[int]) -> Episode:
    segments = [each.segment for each in run]
    known_at = max(segment.known_at for segment in segments)
    written = [s.note.written_at for s in segments if s.note is not None]
    return Episode(
        level=1,
        first=segments[0].index,
        last=segments[-1].index,
        start=segments[0].start,
        end=segments[-1].end,
        known_at=known_at,
        importance=max(importance(s, s.index in asked) for s in segments),
        note=note(segments, asked),
        note_known_at=max([known_at, *written]),
        faded=0,
        source=segments[0].source,
    )


def _gather_days(archive: Archive, source: str) -> int:
    """Put the episodes of each day of a source that is over into one."""
    waiting = archive.without_day(source)
    today = archive.gathered_until(source) // DAY
    days: dict[float, list[Episode]] = {}
    for episode in waiting:
        days.setdefault(episode.start // DAY, []).append(episode)
    done = [parts for day, parts in days.items() if day < today]
    archive.add(2, [_day(parts) for parts in done])
    return len(done)


def _day(parts: Sequence[Episode]) -> Episode:
    best = sorted(parts, key=lambda part: (-part.importance, part.first))
    noted = sorted((p for p in [b for b in best if b.note][:5]), key=lambda part: part.first)
    return Episode(
        level=2,
        first=parts[0].first,
        last=parts[-1].last,
        start=parts[0].start,
        end=parts[-1].end,
        known_at=max(part.known_at for part in parts),
        importance=best[0].importance,
        note=" · ".join(part.note for part in noted),
        note_known_at=max(part.note_known_at for part in parts),
        faded=0,
        source=parts[0].source,
    )


def _youth(end: float, important: float) -> float:
    return end + YOUTH * important


def _drop_features(archive: Archive, now: float, asked: frozenset[int]) -> int:
    held = archive.with_features(now - RECENT, 2 * _FEATURES_AT_ONCE)
    held.sort(key=lambda s: _youth(s.end, importance(s, s.index in asked)))
    chosen = [segment.index for segment in held[:_FEATURES_AT_ONCE]]
    archive.drop_features(chosen)
    return len(chosen)


def _next_to_fade(archive: Archive, asked: frozenset[int]) -> Episode | None:
    """The episode that matters least, of those least faded."""
    for step in range(LAST_STEP):
        found = archive.faded(step)
        if found:
            return min(found, key=lambda e: (_youth(e.end, _importance(e, asked)), e.first))
    return None


def _importance(episode: Episode, asked: frozenset[int]) -> float:
    # Asked about after the episode was gathered, it matters as much as anything can.
    later = any(episode.first <= index <= episode.last for index in asked)
    return 1.0 if later else episode.importance


def _fade(archive: Archive, episode: Episode, asked: frozenset[int]) -> list[int]:
    """Take the next step with one episode; the ids of the lines that it removed."""
    step = episode.faded + 1
    if step == LAST_STEP:
        archive.shrink_vectors(episode, step)
        return []
    drop: list[int] = []
    rewrite: dict[int, str] = {}
    if step == 1:
        drop, rewrite = _thin(archive, episode)
    every = THUMBNAIL_EVERY[step]
    pictures = archive.thumbnails(episode.source, _stretch(episode.start, every), episode.last)
    bare, seen = [], set()
    for index, start in pictures:
        stretch = start // every
        if index >= episode.first and stretch in seen and index not in asked:
            bare.append(index)
        seen.add(stretch)
    archive.thin(episode, step, drop, rewrite, bare)
    return drop


def _stretch(time: float, every: float) -> float:
    return math.floor(time / every) * every


def _thin(archive: Archive, episode: Episode) -> tuple[list[int], dict[int, str]]:
    """Of an episode's observations, the ids that go and the JSON of those that get shorter."""
    drop: list[int] = []
    rewrite: dict[int, str] = {}
    labels: set[tuple[float, str]] = set()
    told: set[tuple[int, str, str]] = set()
    for held in archive.held(episode.source, _stretch(episode.start, AGAIN), episode.last):
        mine = held.segment >= episode.first
        if not _keeps(held, labels, told) and mine:
            drop.append(held.id)
        elif mine and isinstance(held.observation, Utterance) and held.observation.words:
            rewrite[held.id] = encode_observation(replace(held.observation, words=()))
    return drop, rewrite


def _keeps(
    held: Held,
    labels: set[tuple[float, str]],
    told: set[tuple[int, str, str]],
) -> bool:
    """Whether an observation stays, given those before it; takes note of it."""
    match held.observation:
        case Look():
            return False
        case SeenObject(time=time, label=label, confidence=confidence):
            if confidence < SURE:
                return False
            key = (time // AGAIN, label.casefold())
            new = key not in labels
            labels.add(key)
            return new
        case ScreenText() | Fixation():
            text = text_of(held.observation).casefold()
            if not text:
                return False
            place = (held.segment, kind_of(held.observation), text)
            new = place not in told
            told.add(place)
            return new
        case _:
            return True
