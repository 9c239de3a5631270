"""Sessions that visitors left on disk: listed, packed to be taken home, kept for so long."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import time as clock
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.web.room import FILE, WANTED, Wanted
from memory.sessions import SessionInfo, export_session, session_info

MOST_LISTED = 100

_ID = re.compile(r"[A-Za-z0-9_-]{20,40}")


@dataclass(frozen=True, slots=True)
class Kept:
    """A session on disk.

    Attributes:
        id: its folder's name, which nobody can guess.
        name, kind: of what was watched, as in :class:`app.web.room.Wanted`.
        used: wall-clock seconds since 1970 at which it was last written or opened.
        info: what it holds.
    """

    id: str
    name: str
    kind: str
    used: float
    info: SessionInfo


class Shelf:
    """The sessions in ``folder``, each in a folder named by its id."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def holds(self, name: str) -> bool:
        """Whether there is a session of that id."""
        return bool(_ID.fullmatch(name)) and (self.folder / name / WANTED).is_file()

    def wanted(self, name: str) -> Wanted:
        """What that session watched, as it was written down."""
        return Wanted(**json.loads((self.folder / name / WANTED).read_text(encoding="utf-8")))

    def found(self, names: Sequence[str] | None = None) -> list[Kept]:
        """The sessions of these ids, or all; the last used first, at most :data:`MOST_LISTED`.
        An id of which there is no session is left out."""
        given = self._all() if names is None else dict.fromkeys(names)
        used = {name: self._used(name) for name in given if self.holds(name)}
        latest = sorted(used, key=lambda name: -used[name])[:MOST_LISTED]
        return [self._kept(name, used[name]) for name in latest]

    def pack(self, name: str) -> Path:
        """A session as a zip: JSON lines and thumbnails (``memory/sessions.py``), in a folder
        of its own, which is the caller's to delete.

        Raises:
            StoreError: it cannot be read, or there is no room to write it.
        """
        folder = Path(tempfile.mkdtemp(prefix="onlooker-"))
        try:
            out = folder / "session"
            export_session(self.folder / name / FILE, out)
            packed = Path(shutil.make_archive(str(folder / "packed"), "zip", out))
            shutil.rmtree(out)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return packed

    def forget(self, name: str) -> None:
        """Delete a session with all that belongs to it; one that is not there is no error."""
        if _ID.fullmatch(name):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def expire(self, days: float, spare: Collection[str]) -> list[str]:
        """Forget what was not used for ``days`` days, but not those to ``spare``; the ids."""
        limit = clock.time() - days * 86_400
        old = [n for n in self._all() if n not in spare and self.holds(n) and self._used(n) < limit]
        for name in old:
            self.forget(name)
        return old

    def _all(self) -> list[str]:
        return [each.name for each in self.folder.iterdir()] if self.folder.is_dir() else []

    def _used(self, name: str) -> float:
        return max((file.stat().st_mtime for file in (self.folder / name).iterdir()), default=0.0)

    def _kept(self, name: str, used: float) -> Kept:
        wanted = self.wanted(name)
        info = session_info(self.folder / name / FILE)
        return Kept(name, wanted.name, wanted.kind, used, info)
