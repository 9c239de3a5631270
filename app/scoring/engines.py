"""The engines that can be scored, by name."""

from __future__ import annotations

from collections.abc import Mapping

from app.scoring.cli import Entry

ENGINES: Mapping[str, Entry] = {}
