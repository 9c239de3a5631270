"""A session that cannot be written is watched on; what is lost is counted and said."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import numpy as np
import pytest

from memory.memory import Memory
from memory.segment import Gap, SceneChange, Segment
from memory.store import StoreError
from models.media import Frame
from pipeline.events import Remark
from pipeline.keeper import Keeper
from pipeline.segmenter import Sealed
from pipeline.session import Session
from tests.pipeline.fakes import Scripted, engine, frames, hashed

SIZE = 10_000


class Disk:
    """A memory that can be written while there is :attr:`room`."""

    def __init__(self) -> None:
        self.room = True
        self.kept: list[Segment] = []

    @property
    def next_index(self) -> int:
        return len(self.kept)

    def append(self, segment: Segment) -> None:
        if not self.room:
            raise StoreError("disk full")
        assert segment.index == self.next_index
        self.kept.append(segment)


def sealed(number: int) -> Sealed:
    picture = Frame(10.0 * number, np.zeros((4, 4, 3), np.uint8))
    seen = (SceneChange(10.0 * number + 1, 0.5),)
    start = 10.0 * number
    segment = Segment(number, start, start + 10, seen, "length", thumbnail=bytes(SIZE))
    return Sealed(segment, (picture,))


def keeper(disk: Disk, most: int = 10**9) -> tuple[Keeper, list[Segment], list[Remark]]:
    emitted: list[Segment] = []
    told: list[Remark] = []
    return Keeper(disk, emitted.append, told.append, most), emitted, told  # type: ignore[arg-type]


def test_what_could_not_be_written_is_written_in_order_once_there_is_room() -> None:
    disk = Disk()
    keep, emitted, told = keeper(disk)
    assert len(keep.keep([sealed(0)])) == 1
    disk.room = False
    for number in (1, 2, 3):
        assert keep.keep([sealed(number)]) == []
    assert len(keep.held) == 3 and not any(each.pictures for each in keep.held)
    disk.room = True
    assert [each.segment.index for each in keep.keep([sealed(4)])] == [1, 2, 3, 4]
    assert (
        [s.start for s in disk.kept] == [0.0, 10.0, 20.0, 30.0, 40.0] == [s.start for s in emitted]
    )
    assert keep.lost == 0 and keep.failures == 3
    assert [r.kind for r in told] == ["fault", "fault"]  # once each, not with every try
    assert "disk full" in told[0].text and "written again" in told[1].text


def test_of_more_than_can_be_held_the_oldest_is_a_gap_that_is_counted_and_said() -> None:
    disk = Disk()
    keep, _, told = keeper(disk, most=3 * SIZE + 5_000)
    disk.room = False
    for number in range(8):
        keep.keep([sealed(number)])
    assert keep.lost == 5 and len(keep.held) == 4
    assert any("lost" in remark.text for remark in told)
    disk.room = True
    keep.keep([])
    gap, *rest = disk.kept
    assert gap.observations == (Gap(0.0, 50.0, gap.observations[0].reason),)  # type: ignore[union-attr]
    assert (gap.start, gap.end, gap.closed_by, gap.thumbnail) == (0.0, 50.0, "gap", b"")
    assert [s.start for s in rest] == [50.0, 60.0, 70.0]
    assert [s.index for s in disk.kept] == [0, 1, 2, 3]


def test_a_stream_that_ends_while_nothing_can_be_written_says_how_much_is_not_kept() -> None:
    disk = Disk()
    keep, _, _ = keeper(disk)
    disk.room = False
    keep.keep([sealed(0), sealed(1)])
    with pytest.raises(StoreError, match=r"disk full \(2 segments at the end are not kept\)"):
        keep.finish()


def test_a_session_on_a_full_disk_watches_on_and_keeps_all_once_there_is_room(
    tmp_path: Path,
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        with (
            Memory.open(disk / "session.onlooker", hashed) as memory,
            Session(Scripted(frames(120)), engine(), memory, stepped=True) as session,
        ):
            session.watch_until(25.0)
            before = session.status
            assert before.segments >= 2 and before.faults == {}
            filler = disk / "filler"
            with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            session.watch_until(70.0)
            full = session.status
            assert full.watching and full.error is None and full.time >= 69.0
            assert full.unwritten >= 1 and full.faults["writing"] >= 1
            "".join(session.ask("What was there?"))
            filler.unlink()
            session.watch_until(120.0)
            assert session.wait(20)
            after = session.status
            assert after.unwritten == after.lost == 0 and after.error is None
            kept = memory.segments(media=False)
            assert all(a.end == b.start for a, b in itertools.pairwise(kept))
            assert kept[-1].end == pytest.approx(119.75)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
