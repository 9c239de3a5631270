"""What was read from a source and not yet watched: bounded in number and, live, in time."""

from __future__ import annotations

import math
from collections import deque

from models.media import AudioChunk, Break, Frame, GazeSample, Media

GAZE_HELD = 4096
"""Gaze samples held beside pictures and sound: 20 seconds at 200 Hz."""

PICTURE_LATE, SOUND_LATE = 1.0, 1.75
"""Seconds behind a live source from which a picture, or sound, is left out."""

FORGOTTEN = 15.0
"""Seconds after which half of what a picture once cost is forgotten."""

CATCH_UP = 1.5
"""Seconds of stream that count as come in one second: what a source gives in bursts (HLS) or
after a stall is late only if it is not watched at that pace."""

MOST_AHEAD = 30.0
"""Seconds of stream in one burst beyond which it is no burst: the source's clock went forward."""

UNHEARD = "sound was left out: this machine could not keep up"


class Backlog:
    """Media in order. It has no lock: its owner takes care of that.

    From a live source the oldest pictures are dropped where there are too many or they are too
    late, and sound only once no picture is left; a :class:`models.media.Break` tells where
    sound was left out. A picture is late as well where the work it costs, as far as that is
    known, would make the sound behind it late. Gaze samples take no place from either.

    Args:
        capacity: items held, gaze samples not counted.
        live: never waited for.

    Attributes:
        dropped: items that were left out.
    """

    def __init__(self, capacity: int, live: bool) -> None:
        self._capacity = capacity
        self._live = live
        self._items: deque[Media] = deque()
        self._gaze = 0
        self._edge = -math.inf  # stream time that has come, had the source come evenly
        self._looked = 0.0
        self._newest = 0.0
        self._given = 0.0
        self._cost = 0.0  # seconds of work for one picture, of late the most
        self._taken: tuple[Media | None, float] = (None, 0.0)
        self._heard = False
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    def full(self, media: Media) -> bool:
        """Whether a file's ``media`` must wait."""
        if isinstance(media, GazeSample):
            return self._gaze >= GAZE_HELD
        return len(self._items) - self._gaze >= self._capacity

    def put(self, media: Media, now: float) -> None:
        """Take ``media`` in at wall-clock second ``now``, dropping what it has no room for."""
        if math.isinf(self._edge):
            self._edge = self._given = self._newest = media.time
            self._looked = now
        self._newest = _reached(media)
        if self._live:
            self._come(now)
            while self.full(media):
                self._make_room(isinstance(media, GazeSample))
        self._heard = self._heard or isinstance(media, AudioChunk)
        self._items.append(media)
        self._gaze += isinstance(media, GazeSample)
        if isinstance(media, Break):
            self._edge = self._newest  # the source's clock ran on while it was away

    def take(self, now: float) -> Media | None:
        """The next media at wall-clock second ``now``; None where there is none."""
        if self._live:
            self._learn_cost(now)
            self._leave_out_late(now)
        if not self._items:
            return None
        media = self._items.popleft()
        self._gaze -= isinstance(media, GazeSample)
        self._given = _reached(media)
        self._taken = (media, now)
        return media

    def lag(self, now: float) -> float:
        """Seconds of stream that have come since what was taken last; with :data:`CATCH_UP`
        for what came in a burst."""
        return max(0.0, (self._come(now) if self._live else self._newest) - self._given)

    def _come(self, now: float) -> float:
        if math.isinf(self._edge):
            return self._edge
        self._edge += CATCH_UP * max(0.0, now - self._looked)
        self._looked = now
        self._edge = max(min(self._edge, self._newest), self._newest - MOST_AHEAD)
        return self._edge

    def _make_room(self, for_gaze: bool) -> None:
        kinds = (GazeSample,) if for_gaze else (Frame, AudioChunk, Break)
        for kind in kinds:
            for index, media in enumerate(self._items):
                if isinstance(media, kind):
                    self._drop({index})
                    return

    def _learn_cost(self, now: float) -> None:
        media, since = self._taken
        if media is not None:
            spent = now - since if isinstance(media, Frame) else 0.0
            self._cost = max(spent, self._cost * 0.5 ** ((now - since) / FORGOTTEN))
            self._taken = (None, now)

    def _leave_out_late(self, now: float) -> None:
        edge = self._come(now)
        late = PICTURE_LATE
        if self._heard:
            late = min(late, SOUND_LATE - self._cost)
        if not self._items or self._items[0].time >= edge - late:
            return
        unheard = {
            i
            for i, m in enumerate(self._items)
            if isinstance(m, AudioChunk) and m.time < edge - SOUND_LATE
        }
        # Where even sound is late, no picture may hold it up.
        latest = math.inf if unheard else edge - late
        unseen = {i for i, m in enumerate(self._items) if isinstance(m, Frame) and m.time < latest}
        self._drop(unheard | unseen)

    def _drop(self, places: set[int]) -> None:
        kept: deque[Media] = deque()
        unheard: list[AudioChunk | Break] = []
        at = 0
        for index, media in enumerate(self._items):
            told = isinstance(media, Break) and media.reason == UNHEARD
            if index not in places and not told:
                kept.append(media)
                continue
            self.dropped += not told  # what a hole hides was counted when it was dropped
            if index in places and isinstance(media, Break):
                continue
            self._gaze -= isinstance(media, GazeSample)
            if isinstance(media, AudioChunk | Break):
                at = at if unheard else len(kept)
                unheard.append(media)
        if unheard:
            kept.insert(at, Break(unheard[0].time, unheard[-1].end, UNHEARD))
        self._items = kept


def _reached(media: Media) -> float:
    """Stream time that ``media`` brings the stream to."""
    return media.end if isinstance(media, Break) else media.time
