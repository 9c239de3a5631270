"""A long stream through the real memory stays bounded, and its beginning stays known."""

from __future__ import annotations

from pathlib import Path

from memory.memory import Memory
from tests.bench.endurance_memory import SECONDS, live


def test_a_stream_of_hours_stays_within_its_budget_and_minute_3_is_still_known(
    tmp_path: Path,
) -> None:
    hours, budget = 2.0, 3_000_000
    lived = live(tmp_path / "s.onlooker", hours, budget)
    assert lived.right == lived.asked
    assert lived.segments == hours * 3600 / SECONDS
    first, last = lived.hours
    assert last[2] < 1.2 * max(first[2], budget / 1e6)  # disk
    with Memory.open(tmp_path / "s.onlooker", None, read_only=True) as memory:
        nodes = memory.timeline(levels=(1,))
        assert sum(node.segments for node in nodes) > 0.8 * lived.segments
        assert nodes[0].faded == max(node.faded for node in nodes) > 0
