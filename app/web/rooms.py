"""Everybody who is here: each visitor has a room, with a stream and a memory of its own.

There are only so many rooms. Who comes when all are taken waits in line. A room that nobody
looks at any more is closed; what it saw stays on disk and is taken up again by its id, which
nobody can guess. What nobody took up for long is forgotten, where the server says so.
"""

from __future__ import annotations

import secrets
import threading
import time as clock
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from app.web.room import Room, Wanted
from app.web.shelf import Shelf
from pipeline.engine import Engine
from pipeline.standing import Firing

PATIENCE = 40.0
"""Seconds without anybody looking after which a room is closed."""

LINE_PATIENCE = 15.0
"""Seconds without asking again after which one is out of the line."""

GOODBYE = 2.5
"""Seconds that the rooms are given to end where the server does."""

SWEEP = 5.0

NOT_HERE = "there is no such session here: it was forgotten, or the link is wrong"

EXPIRE = 600.0
"""Seconds between two looks for what is to be forgotten."""


class Full(Exception):
    """All rooms are taken.

    Attributes:
        ticket: to be shown when asking again, to keep the place.
        place: in the line, from 1.
    """

    def __init__(self, ticket: str, place: int, most: int) -> None:
        taken = "the only place is" if most == 1 else f"all {most} places are"
        super().__init__(f"{taken} taken: you are number {place} in line")
        self.ticket = ticket
        self.place = place


class NoRoom(Exception):
    """There is no such session."""


class Rooms:
    """The rooms of one server. Safe to use from any thread. Use it in ``with``.

    Args:
        folder: where sessions are kept, each in a folder named by its id.
        most: rooms at once.
        patience: seconds without anybody looking after which a room is closed.
        keep_days: days after its last use for which a session is kept; None for ever.

    Attributes:
        shelf: the sessions on disk.
        opened: rooms opened since the server began.
        tell: called with each firing of a standing question and its room.
    """

    def __init__(
        self,
        engine: Engine,
        folder: Path,
        *,
        most: int = 4,
        patience: float = PATIENCE,
        keep_days: float | None = None,
    ) -> None:
        if most < 1:
            raise ValueError(f"there must be room for at least 1 session, not {most}")
        self.engine = engine
        self.most = most
        self.opened = 0
        self.tell: Callable[[Room, Firing], None] = lambda room, firing: None
        self.shelf = Shelf(folder)
        self.keep_days = keep_days
        self._patience = patience
        self._expired_at = -EXPIRE
        self._lock = threading.Lock()
        self._rooms: dict[str, Room] = {}
        self._resuming = threading.Lock()  # a session file is opened once
        self._opening = 0
        self._line: OrderedDict[str, float] = OrderedDict()
        self._closing = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep, name="rooms", daemon=True)

    def __enter__(self) -> Self:
        self.shelf.folder.mkdir(parents=True, exist_ok=True)
        self._sweeper.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every room. What was seen is on disk."""
        self._closing.set()
        if self._sweeper.is_alive():
            self._sweeper.join(SWEEP)
        with self._lock:
            rooms = list(self._rooms.values())
            self._rooms.clear()
        # All at once: together they are given no more time than one.
        with ThreadPoolExecutor(max(1, len(rooms))) as closing:
            list(closing.map(lambda room: room.close(GOODBYE), rooms))

    @property
    def now(self) -> list[Room]:
        """The rooms that are open."""
        with self._lock:
            return list(self._rooms.values())

    @property
    def waiting(self) -> int:
        """How many wait in line."""
        with self._lock:
            self._prune()
            return len(self._line)

    def open(self, wanted: Wanted, ticket: str | None = None) -> Room:
        """A new room that watches ``wanted``.

        Args:
            ticket: from an earlier :class:`Full`.

        Raises:
            Full: all rooms are taken; ask again within some seconds.
            SourceError, StoreError: the source or the session file cannot be opened.
        """
        return self._admit(secrets.token_urlsafe(18), wanted, ticket)

    def resume(self, name: str, ticket: str | None = None, watch: bool = True) -> Room:
        """The room of that id: as it is open, or as it is on disk.

        Args:
            watch: go on watching; else it is only asked about, without its source.

        Raises:
            NoRoom: there is no session of that id.
            Full, SourceError, StoreError: as :meth:`open`.
        """
        with self._resuming:
            return self._resume(name, ticket, watch)

    def get(self, name: str) -> Room:
        """The open room of that id; to be looked at counts as being there.

        Raises:
            NoRoom: it is not open.
        """
        with self._lock:
            room = self._rooms.get(name)
        if room is None:
            raise NoRoom("there is no such session open: it was closed, or the link is wrong")
        room.touch()
        return room

    def leave(self, name: str, forget: bool = False) -> None:
        """Close the room of that id, if it is open; ``forget`` deletes all it saw."""
        with self._lock:
            room = self._rooms.pop(name, None)
        if room is not None:
            room.close()
        if forget:
            self.shelf.forget(name)

    def leave_line(self, ticket: str) -> None:
        """Give up a place in line."""
        with self._lock:
            self._line.pop(ticket, None)

    def sweep(self) -> None:
        """Close the rooms that nobody has looked at for long, and forget what is too old."""
        with self._lock:
            deserted = [name for name, room in self._rooms.items() if room.deserted(self._patience)]
        for name in deserted:
            self.leave(name)
        if self.keep_days is not None and clock.monotonic() >= self._expired_at + EXPIRE:
            self._expired_at = clock.monotonic()
            with self._resuming:
                self.shelf.expire(self.keep_days, [room.name for room in self.now])

    def _resume(self, name: str, ticket: str | None, watch: bool) -> Room:
        with self._lock:
            room = self._rooms.get(name)
        if room is not None:
            return room
        if not self.shelf.holds(name):
            raise NoRoom(NOT_HERE)
        return self._admit(name, self.shelf.wanted(name), ticket, watch)

    def _admit(self, name: str, wanted: Wanted, ticket: str | None, watch: bool = True) -> Room:
        with self._lock:
            self._prune()
            free = self.most - len(self._rooms) - self._opening
            line = list(self._line)
            place = line.index(ticket) if ticket in line else len(line)
            if place >= free:
                ticket = ticket if ticket in line else secrets.token_urlsafe(12)
                self._line[ticket] = clock.monotonic()
                raise Full(ticket, place + 1, self.most)
            if ticket is not None:
                self._line.pop(ticket, None)
            self._opening += 1
        try:
            room = Room(
                name,
                self.shelf.folder / name,
                wanted,
                self.engine,
                lambda r, f: self.tell(r, f),
                watch=watch,
            )
            with self._lock:
                self._rooms[name] = room
                self.opened += 1
        finally:
            with self._lock:
                self._opening -= 1
        return room

    def _prune(self) -> None:
        gone = clock.monotonic() - LINE_PATIENCE
        for ticket in [t for t, seen in self._line.items() if seen < gone]:
            del self._line[ticket]

    def _sweep(self) -> None:
        while not self._closing.wait(SWEEP):
            self.sweep()
