"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from app.home import home
from pipeline.engine import Choice, Engine, load_engine

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real material kept beside the project; tests that need it skip where it is absent."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the shared material beside the project, which is absent here")
    return folder


@pytest.fixture(scope="session")
def clips(shared: Path) -> Path:
    return shared / "clips"


@pytest.fixture(scope="session")
def sample() -> Path:
    """The sample clip that comes with the project."""
    return ROOT / "assets" / "sample.mp4"


@pytest.fixture(scope="session")
def embedded() -> Engine:
    """The embedded engine with its real weights, loaded once for all tests."""
    return load_engine(Choice(), home())


@pytest.fixture(scope="session")
def beginning(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 16 seconds of the sample clip, its packets as they are."""
    path = tmp_path_factory.mktemp("clip") / "beginning.mp4"
    with av.open(str(sample)) as whole, av.open(str(path), "w") as cut:
        streams = {s.index: cut.add_stream_from_template(s) for s in whole.streams}
        for packet in whole.demux():
            if packet.dts is not None and packet.pts * packet.time_base < 16:
                packet.stream = streams[packet.stream.index]
                cut.mux(packet)
    return path
