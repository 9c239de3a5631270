"""Damaged files are used as far as they are sound, and else told in words.

The numbers are cases of ``tests/bench/fuzz.py`` that once went wrong; a few more of each kind
stand for the thousands that are run by hand.
"""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from pipeline.sources import FileSource
from tests.bench.fuzz import USES, judge
from tests.bench.mutations import Bases
from tests.pipeline.media import write_clip

FOUND = {
    "clip": (364, 660, 710, 1062, 1239),
    "gaze": (9, 183),
    "question": (4, 25, 29, 67, 108, 109, 114, 119, 140),
    "session": (2, 22, 56, 93),
}
"""Cases that once ended otherwise, by kind."""

OTHERS = range(5000, 5011)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Bases:
    return Bases(tmp_path_factory.mktemp("bases"))


@pytest.mark.parametrize("kind", list(USES))
def test_a_damaged_file_is_fine_or_told(bases: Bases, tmp_path: Path, kind: str) -> None:
    ends = {}
    for number in (*FOUND[kind], *OTHERS):
        name, data = bases.case(kind, number)
        place = tmp_path / str(number)
        place.mkdir()
        (place / name).write_bytes(data)
        ends[number, name] = judge(kind, place / name)
    assert {case: end for case, end in ends.items() if end[0] not in {"fine", "told"}} == {}
    assert {verdict for verdict, _ in ends.values()} == {"fine", "told"}


def test_a_title_in_another_encoding_keeps_no_file_from_being_opened(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", seconds=1)
    with av.open(str(clip)) as plain, av.open(str(tmp_path / "titled.mkv"), "w") as titled:
        titled.metadata["title"] = "Une soiree"
        streams = {s.index: titled.add_stream_from_template(s) for s in plain.streams}
        for packet in plain.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                titled.mux(packet)
    path = tmp_path / "titled.mkv"
    path.write_bytes(path.read_bytes().replace(b"Une soiree", "Une soirée".encode("latin-1")))
    with FileSource(path) as source:
        assert source.properties.width == 160
        assert next(iter(source)) is not None
