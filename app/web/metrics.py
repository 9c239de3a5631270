"""What a server tells Prometheus of itself."""

from __future__ import annotations

from collections.abc import Iterator

import psutil  # type: ignore[import-untyped]
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from app.web.room import Room
from app.web.rooms import Rooms
from pipeline.answer import Answer

KEPT = ("read", "dropped", "offered", "sampled", "segments", "unwritten", "lost")


class Metrics:
    """The metrics of one server, in a registry of their own.

    Args:
        rooms: looked at whenever the metrics are asked for.
    """

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._questions = Counter(
            "onlooker_questions", "Questions answered", ["outcome"], registry=self._registry
        )
        self._tokens = Counter(
            "onlooker_tokens", "Tokens spent on answers", ["kind"], registry=self._registry
        )
        self._first = Histogram(
            "onlooker_first_token_seconds",
            "From a question to its first token",
            buckets=(0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32),
            registry=self._registry,
        )
        self._firings = Counter(
            "onlooker_firings", "Standing questions come true", registry=self._registry
        )

    def answered(self, answer: Answer) -> None:
        """Count a finished answer."""
        self._questions.labels("cancelled" if answer.cancelled else "answered").inc()
        self._first.observe(answer.timings.first_token)
        for kind in ("fast", "slow", "text", "generated"):
            self._tokens.labels(kind).inc(getattr(answer.counts, kind))

    def failed(self) -> None:
        """Count a question that could not be answered."""
        self._questions.labels("failed").inc()

    def fired(self) -> None:
        self._firings.inc()

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """The figures of the rooms as they are now, for the registry."""
        rooms = self._rooms.now
        yield GaugeMetricFamily("onlooker_sessions", "Sessions open", len(rooms))
        yield GaugeMetricFamily("onlooker_waiting", "Visitors in line", self._rooms.waiting)
        yield CounterMetricFamily("onlooker_sessions_opened", "Sessions opened", self._rooms.opened)
        memory = psutil.Process().memory_info().rss
        yield GaugeMetricFamily("onlooker_memory_bytes", "Resident memory", memory)
        figures = [(room, room.figures()) for room in rooms]
        measured = (("lag", "seconds"), ("wordless", "seconds"), ("context", "tokens"))
        for key, unit in (*measured, *((k, "now") for k in KEPT)):
            family = GaugeMetricFamily(
                f"onlooker_session_{key}_{unit}" if unit != "now" else f"onlooker_session_{key}",
                f"{key} of an open session",
                labels=["session"],
            )
            for room, told in figures:
                value = told[key]
                assert isinstance(value, int | float)
                family.add_metric([_short(room)], value)
            yield family
        faults = GaugeMetricFamily(
            "onlooker_session_faults",
            "Failures of a part of an open session",
            labels=["session", "part"],
        )
        for room, told in figures:
            counted = told["faults"]
            assert isinstance(counted, dict)
            for part, count in counted.items():
                faults.add_metric([_short(room), part], count)
        yield faults


def _short(room: Room) -> str:
    """Enough of a room's id to tell rooms apart, and too little to enter one."""
    return room.name[:6]
