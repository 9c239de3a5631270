"""``python -m tests.app.scoring.gated GATE run ...``: a random run that stops before question c1.

It says its process id in the file GATE.pid, and goes on once the file GATE is there.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import app.scoring.cli as cli
from app.scoring.candidate import Ask, Guessing, Response, View

GATE = Path(sys.argv.pop(1))


class Gated(Guessing):
    def open(self, video: Path | None, start: float, end: float | None) -> View:
        return Stopped(super().open(video, start, end))


class Stopped:
    def __init__(self, guess: View) -> None:
        self.guess = guess

    def ask(self, ask: Ask) -> Response:
        if ask.id == "c1":
            GATE.with_suffix(".pid").write_text(str(os.getpid()))
            deadline = time.monotonic() + 180
            while not GATE.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
        return self.guess.ask(ask)

    def close(self) -> None:
        self.guess.close()


if __name__ == "__main__":
    cli.Guessing = Gated  # type: ignore[misc]
    cli.build_app({})()
