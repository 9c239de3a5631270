"""Thousands of damaged files through what reads them: no crash, no hang, no flood, clear words.

    python -m tests.bench.fuzz [--kinds clip gaze question session] [--first N] [--count N]
                               [--out FILE.jsonl] [--report REPORT.md]
    python -m tests.bench.fuzz --case clip 17 [--keep FOLDER]

Cases are numbers (see ``tests/bench/mutations.py``). Each is run in a worker process that serves
many and is started anew after a crash or a hang. A case is *fine* where the file could be used,
and *told* where it was refused by the error made for it, with its name and what is wrong; all
else is a finding. ``--case`` runs one here, so that its traceback is seen.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import re
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

COUNTS = {"clip": 2000, "gaze": 250, "question": 150, "session": 150}
PATIENCE = 10.0
"""Seconds that a case may take."""

MEMORY = 2 * 1024**3
"""Bytes that a case may bring the process to."""

STARTING = 300.0

FINDINGS = ("unclear", "unexpected", "crash", "hang", "memory")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one case went.

    Attributes:
        verdict: ``"fine"``, ``"told"``, or one of :data:`FINDINGS`.
        what: the message, the exception, or the signal.
        seconds: that it took, wall clock.
        peak: megabytes that the process held at most.
    """

    kind: str
    number: int
    name: str
    verdict: str
    what: str
    seconds: float
    peak: float


def clear(message: str, name: str) -> bool:
    """Whether a message names its file, and speaks to a person rather than to a programmer."""
    jargon = r"Errno|Traceback|Error\(|Exception|\bNone\b|\bNoneType\b|0x[0-9a-f]{6}|<class"
    return name in message and len(message) > len(name) + 15 and not re.search(jargon, message)


def judge(kind: str, path: Path) -> tuple[str, str]:
    """Use the file as the program does; verdict and message."""
    from app.scoring.questions import DataError
    from memory.store import StoreError
    from pipeline.sources.source import SourceError

    try:
        told = USES[kind](path)
    except (DataError, SourceError, StoreError) as error:
        told = str(error)
    except Exception as error:
        at = error.__traceback__
        while at is not None and at.tb_next is not None:
            at = at.tb_next
        where = "" if at is None else f"{Path(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno}"
        return "unexpected", f"{type(error).__name__} at {where}: {error}"[:400]
    if told is None:
        return "fine", ""
    if told.startswith("watching failed"):
        return "unexpected", told[:400]
    return ("told" if clear(told, path.name) else "unclear"), told[:400]


def use_clip(path: Path) -> str | None:
    """Watch it with cheap senses, and look at what is remembered; the session's error."""
    from memory.memory import Memory
    from pipeline.events import Remark
    from pipeline.session import Session
    from pipeline.sources import FileSource
    from tests.pipeline.fakes import engine, hashed

    models = engine()
    with Memory.open(None, hashed) as memory:
        with Session(FileSource(path), models, memory) as session:
            if not session.wait(4 * PATIENCE):
                raise TimeoutError("the session did not end")
            status, properties = session.status, session.properties
            for event in session.events():
                said = event.what
                if isinstance(said, Remark) and said.kind == "error" and said.text != status.error:
                    raise AssertionError(f"remark: {said.text}")
        assert properties.width >= 0 and properties.height >= 0, properties
        assert properties.duration is None or 0 < properties.duration < 1e9, properties
        assert 0 <= properties.frame_rate < 1e6, properties
        end = 0.0
        for segment in memory.segments():
            assert end <= segment.start <= segment.end < 1e9, (segment.start, segment.end)
            assert all(segment.start <= o.time for o in segment.observations), segment
            end = segment.end
    return status.error


def use_gaze(path: Path) -> None:
    """Read it; all that it gives must be in order and finite."""
    import numpy as np

    from pipeline.sources.gaze import read_gaze

    if path.suffix == ".raw":
        (np.arange(40) * 5_000_000).astype("<i8").tofile(path.with_suffix(".time"))
    track = read_gaze(path, frame_size=(1600, 1200) if "cloud" in path.name else None)
    assert np.isfinite(track.times).all() and (np.diff(track.times) > 0).all()
    assert ((track.confidence >= 0) & (track.confidence <= 1)).all()
    assert len(track) == len(track.points)


def use_question(path: Path) -> None:
    """Load it as a score does."""
    import math

    from app.scoring.datasets import load
    from app.scoring.prompts import load_prompts
    from pipeline.sources.gaze.webcam import read_calibration

    if "fixations" in path.name:
        use_gaze(path)
    elif "prompts" in path.name:
        load_prompts(path)
    elif "calibration" in path.name:
        assert math.isfinite(read_calibration(path).error)
    else:
        for question in load(path).questions:
            assert isinstance(question.text, str) and isinstance(question.video, str), question
            assert isinstance(question.task, str) and isinstance(question.group, str), question
            assert math.isfinite(question.time) and question.time >= 0, question


def use_session(path: Path) -> None:
    """Open it for reading and for writing; read all of it, ask it, add to it."""
    from dataclasses import replace

    from memory.memory import Memory
    from memory.segment import Segment
    from tests.bench.mutations import hashed

    for read_only in (True, False):
        with Memory.open(path, hashed, read_only=read_only) as memory:
            segments = memory.segments()
            memory.latest(3)
            memory.timeline()
            memory.turns()
            memory.gaps(0.0, 1000.0)
            memory.relevant_turns("Who spoke?", 120.0)
            memory.recall("Who spoke of thing 5?", 120.0)
            for segment in segments[:3]:
                memory.thumbnail(segment.index)
            if not read_only:
                last = max((s.end for s in segments), default=0.0)
                memory.append(Segment(memory.next_index, last, last + 5, (), "length"))
                memory.consolidate(last + 5, 20_000)
                if segments:
                    replace(segments[0], index=0)


USES = {"clip": use_clip, "gaze": use_gaze, "question": use_question, "session": use_session}


def run(kind: str, number: int, bases: object, folder: Path) -> Verdict:
    """One case, here."""
    from tests.bench.mutations import Bases

    assert isinstance(bases, Bases)
    name, data = bases.case(kind, number)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place) / name
        path.write_bytes(data)
        Path("/proc/self/clear_refs").write_text("5")  # peak memory counts from here
        began = time.perf_counter()
        verdict, what = judge(kind, path)
        seconds = time.perf_counter() - began
    status = Path("/proc/self/status").read_text()
    peak = int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024  # type: ignore[union-attr]
    what = what.replace(f"{place}/", "")
    if verdict in {"fine", "told"} and peak * 1024**2 > MEMORY:
        verdict = "memory"
    return Verdict(kind, number, name, verdict, what, round(seconds, 3), round(peak, 1))


def serve() -> None:
    """A worker: case numbers on the input, verdicts on the output."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no verdict
    faulthandler.enable()
    with tempfile.TemporaryDirectory() as folder:
        import av

        from tests.bench.mutations import Bases

        av.logging.set_level(None)
        bases = Bases(Path(folder))
        for kind in COUNTS:
            run(kind, 0, bases, Path(folder))  # all that is loaded once is loaded
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        print("ready", file=answers, flush=True)
        for line in sys.stdin:
            kind, number = line.split()
            print(
                json.dumps(asdict(run(kind, int(number), bases, Path(folder)))),
                file=answers,
                flush=True,
            )


class Worker:
    """A process that runs cases one after the other."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def run(self, kind: str, number: int) -> Verdict:
        process = self._started()
        assert process.stdin is not None
        began = time.perf_counter()
        print(kind, number, file=process.stdin, flush=True)
        line = self._line(PATIENCE)
        took = round(time.perf_counter() - began, 3)
        if line:
            verdict = Verdict(**json.loads(line))
            if verdict.verdict == "memory":
                self.close()
            return verdict
        if line is None:
            process.send_signal(signal.SIGABRT)  # its threads' places go to the log
            process.wait(10)
            self._process = None
            return Verdict(kind, number, "", "hang", f"no end after {PATIENCE:.0f} s", took, 0)
        code = process.wait(10)
        self._process = None
        what = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return Verdict(kind, number, "", "crash", what, took, 0)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.fuzz", "--worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log.open("a"),
                text=True,
            )
            if (self._line(STARTING) or "").strip() != "ready":
                self.close()
                raise SystemExit(f"the worker did not start: see {self._log}")
        return self._process

    def _line(self, patience: float) -> str | None:
        """A line of the worker's; empty where it ended, None where nothing came in time."""
        assert self._process is not None and self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], patience)[0]:
            return None
        return self._process.stdout.readline()


def report(verdicts: list[Verdict]) -> str:
    """The report, in Markdown."""
    names = ("fine", "told", *FINDINGS)
    lines = [
        "# Damaged files",
        "",
        f"{len(verdicts)} damaged files, each made from its number (`tests/bench/mutations.py`), "
        "through what reads them. *Fine*: it could be used, or as much of it as was sound. "
        "*Told*: refused, or read up to the damage, with a message that names the file and says "
        "what is wrong. All other columns are findings.",
        "",
        "| kind | cases | " + " | ".join(names) + " | slowest s | most MB |",
        "| --- |" + " ---: |" * (len(names) + 3),
    ]
    for kind in COUNTS:
        mine = [v for v in verdicts if v.kind == kind]
        if not mine:
            continue
        count = Counter(v.verdict for v in mine)
        lines.append(
            f"| {kind} | {len(mine)} | "
            + " | ".join(str(count[name]) for name in names)
            + f" | {max(v.seconds for v in mine):.1f} | {max(v.peak for v in mine):.0f} |"
        )
    lines += [
        "",
        "| clip | cases | fine | told | findings |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name in sorted({v.name for v in verdicts if v.kind == "clip" and v.name}):
        count = Counter(v.verdict for v in verdicts if v.name == name)
        bad = sum(count[verdict] for verdict in FINDINGS)
        total = sum(count.values())
        lines.append(f"| {name} | {total} | {count['fine']} | {count['told']} | {bad} |")
    found = [v for v in verdicts if v.verdict in FINDINGS]
    if found:
        lines += ["", "| case | verdict | what |", "| --- | --- | --- |"]
        lines += [f"| {v.kind} {v.number} {v.name} | {v.verdict} | {v.what} |" for v in found[:50]]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kinds", nargs="+", choices=list(COUNTS), default=list(COUNTS))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, help="of each kind; by default " + str(COUNTS))
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "fuzz.jsonl")
    parser.add_argument("--report", type=Path)
    parser.add_argument("--case", nargs=2, metavar=("KIND", "NUMBER"))
    parser.add_argument("--keep", type=Path, help="with --case: leave the file in this folder")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.worker:
        return serve()
    if wanted.case:
        return again(wanted.case[0], int(wanted.case[1]), wanted.keep)
    worker, verdicts = Worker(wanted.out.with_suffix(".log")), []
    with wanted.out.open("w") as out:
        for kind in wanted.kinds:
            for number in range(wanted.first, wanted.first + (wanted.count or COUNTS[kind])):
                verdict = worker.run(kind, number)
                verdicts.append(verdict)
                print(json.dumps(asdict(verdict)), file=out, flush=True)
                if verdict.verdict in FINDINGS:
                    print(f"{kind} {number} {verdict.name}: {verdict.verdict}: {verdict.what}")
    worker.close()
    text = report(verdicts)
    print(text)
    if wanted.report is not None:
        wanted.report.write_text(text + "\n")
    return None


def again(kind: str, number: int, keep: Path | None) -> None:
    """One case here, with its traceback."""
    from tests.bench.mutations import Bases

    with tempfile.TemporaryDirectory() as folder:
        name, data = Bases(Path(folder)).case(kind, number)
        path = (keep or Path(folder)) / name
        path.write_bytes(data)
        print(path, len(data), "bytes")
        print(USES[kind](path) or "fine")


if __name__ == "__main__":
    main()
