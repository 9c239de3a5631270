"""Where Onlooker keeps what it makes: prepared weights, sessions, scores."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "assets" / "sample.mp4"


def home() -> Path:
    """``ONLOOKER_HOME``, or ``.onlooker`` beside the program."""
    named = os.environ.get("ONLOOKER_HOME")
    return Path(named) if named else ROOT / ".onlooker"


def sessions_folder() -> Path:
    return home() / "sessions"
