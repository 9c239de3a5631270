"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

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
