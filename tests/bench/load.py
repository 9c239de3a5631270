"""What watching costs one process, and how a model server stands up to many streams.

    python -m tests.bench.load watch [CLIP]      cores, memory, bytes of one watched stream
    python -m tests.bench.load serve [--streams 1 2 4 8] [--seconds 30] [--url URL --model MODEL]

``serve`` starts ``transformers serve`` with SmolLM2-135M on this machine, unless it is given
another server. Each simulated stream has a past of its own and asks one question after another.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from app.home import SAMPLE, home
from memory.memory import Memory
from models.reasoning import smollm2
from models.reasoning.reasoner import Evidence, Line, Passage, ReasonerError
from models.reasoning.remote.endpoint import Endpoint
from models.reasoning.remote.reasoner import RemoteReasoner
from models.reasoning.remote.server import Server
from pipeline.engine import Choice, load_engine
from pipeline.session import Session
from pipeline.sources import open_source
from tests.bench.streams import english
from tests.models.reasoning.remote.server import Rules, standing
from tests.models.reasoning.remote.serving import START, Serving

PASSAGES = 6
"""Of a simulated stream's past."""


def watch(clip: str) -> None:
    """One session over a clip, then two at once: what the second adds is what a stream costs,
    for what is loaded at first use is there by then."""
    process = psutil.Process()
    with (
        standing(Rules(reply=("Something is said.",))) as state,
        tempfile.TemporaryDirectory() as t,
    ):
        engine = load_engine(Choice("remote", base_url=state.url), home())
        print(f"memory with the models loaded: {process.memory_info().rss / 2**20:.0f} MiB")
        for count in (1, 2):
            paths = [Path(t) / f"{count}-{number}.onlooker" for number in range(count)]
            spent, asked = -_cpu(process), len(state.bodies)
            with ExitStack() as stack:
                sessions = []
                for path in paths:
                    memory = stack.enter_context(Memory.open(path, engine.embed))
                    session = Session(open_source(clip), engine, memory)
                    sessions.append(stack.enter_context(session))
                for session in sessions:
                    session.wait()
                rss = process.memory_info().rss
                seconds = sum(session.status.time for session in sessions)
                segments = sum(session.status.segments for session in sessions)
            spent += _cpu(process)
            size = sum(
                p.stat().st_size for path in paths for p in path.parent.glob(f"{path.name}*")
            )
            sent = sum(len(body) for body in state.bodies[asked:])
            print(
                f"{count} at once: {seconds:.0f} s of {clip}, {segments} segments\n"
                f"  cores of one at real time {spent / seconds:.2f}\n"
                f"  memory {rss / 2**20:.0f} MiB\n"
                f"  on disk {size / seconds:.0f} bytes a second of one\n"
                f"  {len(state.bodies) - asked} notes, {sent / seconds:.0f} bytes a second of one",
                flush=True,
            )


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@dataclass
class Asked:
    """One stream's questions.

    Attributes:
        first, total: seconds to the first piece and to the last, of each answer.
        failed: questions without an answer.
    """

    first: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    generated: int = 0
    failed: int = 0


def serve(server: Server, streams: int, seconds: float) -> None:
    """So many streams at once, each of which asks as soon as it has been answered."""
    text = english(60_000)
    reasoners = []
    for number in range(streams):
        made = RemoteReasoner(server, answer_tokens=24)
        for place in range(PASSAGES):
            at = (number * PASSAGES + place) * 120
            line = Line(5.0 * place, 5.0 * place + 4, "heard", " ".join(text[at:][:120].split()))
            made.watch(Passage(5.0 * place, 5.0 * place + 5, (line,), 5.0 * place + 5))
        reasoners.append(made)
    asked = [Asked() for _ in reasoners]
    until = time.monotonic() + seconds

    def ask(number: int) -> None:
        mine, turn = asked[number], 0
        while time.monotonic() < until:
            turn += 1
            began = time.monotonic()
            reply = reasoners[number].answer(f"Question {turn}: what is said?", Evidence(1e9, ()))
            try:
                next(iter(reply))
                mine.first.append(time.monotonic() - began)
                for _ in reply:
                    pass
                mine.total.append(time.monotonic() - began)
                mine.generated += reply.counts.generated
            except (ReasonerError, StopIteration):
                mine.failed += 1

    threads = [threading.Thread(target=ask, args=(n,), daemon=True) for n in range(streams)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + START)
    took = time.monotonic() - began
    first = [each for one in asked for each in one.first]
    total = [each for one in asked for each in one.total]
    counts = np.array([len(one.total) for one in asked], float)
    fair = counts.sum() ** 2 / (len(counts) * (counts**2).sum()) if counts.sum() else 0.0
    print(
        f"| {streams} | {len(total) / took:.2f} | {_percentiles(first)} | {_percentiles(total)} | "
        f"{sum(one.generated for one in asked) / took:.0f} | {fair:.2f} | "
        f"{sum(one.failed for one in asked)} |",
        flush=True,
    )


def _percentiles(seconds: list[float]) -> str:
    if not seconds:
        return "-"
    return " / ".join(f"{value:.2f}" for value in np.percentile(seconds, (50, 95, 99)))


@contextmanager
def _served(url: str | None, model: str | None, concurrency: int) -> Iterator[Server]:
    if url is not None:
        yield Server(Endpoint(url, model, timeout=START, concurrency=concurrency))
        return
    smollm2.load(home())
    with tempfile.TemporaryDirectory() as folder:
        serving = Serving(Path(folder) / "log")
        serving.start()
        try:
            serving.wait()
            name = str(home() / "engine" / smollm2.FOLDER)
            yield Server(Endpoint(serving.url, name, timeout=START, concurrency=concurrency))
        finally:
            serving.kill()


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench.load", description=__doc__)
    parser.add_argument("what", choices=("watch", "serve"))
    parser.add_argument("clip", nargs="?", default=str(SAMPLE))
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--url")
    parser.add_argument("--model")
    given = parser.parse_args()
    if given.what == "watch":
        watch(given.clip)
        return
    print(f"{os.cpu_count()} processors")
    print(
        "| streams | answers/s | first token p50/p95/p99 s | total p50/p95/p99 s | tokens/s |"
        " fairness | failed |"
    )
    with _served(given.url, given.model, max(given.streams)) as server:
        print("|", server.abilities())
        for streams in given.streams:
            serve(server, streams, given.seconds)


if __name__ == "__main__":
    main()
