"""What may go wrong while old detail fades: nothing that was told is lost."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from memory.columns import MAPPED_FROM, Column
from memory.memory import Memory
from memory.store import Store, StoreError
from tests.memory import killing
from tests.memory.builders import hashed, said, segment

ROOT = Path(__file__).resolve().parents[2]


def test_no_segment_is_lost_to_a_kill_at_any_of_fifty_moments(tmp_path: Path) -> None:
    path = tmp_path / "s.onlooker"
    done = subprocess.run(
        [sys.executable, "-m", "tests.memory.killing", str(path), "50", "7"],
        cwd=ROOT, capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    acknowledged = int(done.stdout)
    assert acknowledged >= 100
    with Memory.open(path, None) as memory:
        kept = memory.segments()
        assert len(kept) > acknowledged
        for index, each in enumerate(kept):
            whole = killing.part(index)
            assert (each.index, each.start, each.end) == (index, whole.start, whole.end)
            assert set(each.observations) <= set(whole.observations)
            assert whole.observations[-1] in each.observations  # what was said
        assert kept[0].level > 0  # and they were killed while detail faded
        nodes = memory.timeline(levels=(1,))
        assert nodes[0].first == 0
        assert all(a.last + 1 == b.first for a, b in pairwise(nodes))
        assert memory.recall("sentence number 7", 1e6)[0].segment.index == 7
        with memory._store.reading() as read:
            assert read.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        with memory._store.writing("check the index of words") as write:
            write.execute("INSERT INTO words(words) VALUES ('integrity-check')")


def test_a_full_disk_while_detail_fades_is_told_and_the_session_goes_on(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        with Memory.open(disk / "session.onlooker", hashed) as memory:
            with pytest.raises(StoreError, match="what was kept before is safe"):
                for index in range(1000):
                    part = segment(index, said(f"sentence {index}", 20.0 * index),
                                   start=20.0 * index)  # fmt: skip
                    memory.append(replace(part, thumbnail=bytes(20_000)))
            count = memory.next_index
            assert count > 40
            # Whether there is room to let go is the disk's to say; either way all is there.
            try:
                memory.consolidate(20.0 * count, 0, steps=100)
            except StoreError as error:
                assert str(disk) in str(error)
            assert [s.index for s in memory.segments(media=False)] == list(range(count))
            assert memory.recall("sentence 12", 1e6)[0].segment.index == 12
    finally:
        subprocess.run(["umount", str(disk)], check=True)


LIMITED = """
import resource, signal, sys
from dataclasses import replace
from pathlib import Path
from memory.memory import Memory
from memory.store import StoreError
from tests.memory import killing
from tests.memory.builders import said, segment
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
with Memory.open(Path(sys.argv[1]), None) as memory:
    try:
        for index in range(1000):
            memory.append(replace(segment(index, said("word", 5.0 * index)), thumbnail=bytes(9000)))
            print(index, flush=True)
    except StoreError as error:
        print(error, file=sys.stderr)
        sys.exit(3)
"""


def test_a_file_that_may_grow_no_further_is_told_and_keeps_what_it_acknowledged(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s.onlooker"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], cwd=ROOT, capture_output=True, timeout=60
    )
    assert done.returncode == 3, done.stderr.decode()
    assert str(path) in done.stderr.decode()
    assert "what was kept before is safe" in done.stderr.decode()
    acknowledged = int(done.stdout.split()[-1])
    assert acknowledged >= 5
    store = Store(path)
    assert len(store.segments(media=False)) == acknowledged + 1
    store.close()


def test_a_column_goes_on_in_memory_where_no_file_can_be_made(tmp_path: Path) -> None:
    column = Column(np.int64, tmp_path / "absent")
    column.extend(np.arange(MAPPED_FROM))
    early = column.view()
    column.extend(np.arange(MAPPED_FROM))
    column.release()
    assert len(column) == 2 * MAPPED_FROM
    np.testing.assert_array_equal(early, np.arange(MAPPED_FROM))


def test_a_mapped_column_keeps_its_values_and_its_views_when_released(tmp_path: Path) -> None:
    column = Column(np.float64, tmp_path)
    expected = np.zeros(0)
    views = []
    for part in range(6):
        values = np.full(20_000, float(part))
        column.extend(values)
        column.release()
        expected = np.concatenate([expected, values])
        views.append((column.view(), expected))
    assert column._mapping is not None
    for view, values in views:
        np.testing.assert_array_equal(view, values)
    assert list(tmp_path.iterdir()) == []
