"""From one laptop to 10,000 cameras: what it takes, from a few constants.

    python -m tests.bench.capacity            the tables of docs/capacity.md

Constants that were measured say where; the others are taken from data sheets or assumed, say so,
and are to be replaced by one's own (``python -m tests.bench.load``, ``vllm bench serve``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Watching:
    """One process and its streams.

    Attributes:
        cores: that one stream takes: measured, 640x360 at 30 pictures a second with speech.
        loaded: GiB of the models, once a process: measured after they were used.
        stream: GiB that a stream adds: 0.14 measured after 14 s; twice that for full buffers.
        per_process: streams watched by one process: Python's own share of the work is not
            parallel, so a few.
        disk: bytes a second that a session writes: measured.
        kept: GiB at which a session's oldest detail fades: the program's own limit.
        passage: bytes of a passage as it is sent, two small pictures and its words: measured.
    """

    cores: float = 0.39
    loaded: float = 0.85
    stream: float = 0.3
    per_process: int = 4
    disk: float = 37_000.0
    kept: float = 4.0
    passage: float = 24_000.0


@dataclass(frozen=True)
class Tokens:
    """What a stream asks of a model.

    Attributes:
        segment: seconds of one: measured on the sample clip.
        fresh: tokens of one: two small pictures and its words.
        note, noted: tokens of a note's question, and of the note.
        past: tokens of a full context.
        question: tokens of a question with what is recalled for it: eight larger pictures.
        answer: tokens of an answer.
        questions: asked of one stream in an hour.
    """

    segment: float = 5.5
    fresh: int = 220
    note: int = 120
    noted: int = 25
    past: int = 16_384
    question: int = 5_000
    answer: int = 60
    questions: float = 2.0


@dataclass(frozen=True)
class Replica:
    """One vLLM server of a 4B vision-language model on one GPU of 80 GB.

    Attributes:
        prefill, decode: tokens a second with full batches: assumed, not measured here.
        token: bytes of one in the cache: 36 layers x 8 heads x 128 x 2 x 2 bytes.
        cache: bytes left for it: 90 % of 80 GB less weights and work: assumed.
        busy: share of the time that may be planned for; the rest is for bursts.
    """

    prefill: float = 20_000.0
    decode: float = 3_000.0
    token: float = 36 * 8 * 128 * 2 * 2
    cache: float = 55e9
    busy: float = 0.6


def warm(replica: Replica, need: Tokens) -> dict[str, float]:
    """Streams that one replica bears whose past stays in its cache, by what limits them."""
    read = (need.fresh + need.note) / need.segment
    read += need.questions / 3600 * need.question
    return {
        "prefill": replica.busy * replica.prefill / read,
        "decode": replica.busy * replica.decode / _written(need),
        "cache": replica.cache / (replica.token * need.past),
    }


def cold(replica: Replica, need: Tokens) -> dict[str, float]:
    """The same where nothing stays: notes see their passage alone, and each question has the
    whole past read again."""
    read = (need.fresh + need.note) / need.segment
    read += need.questions / 3600 * (need.past + need.question)
    return {
        "prefill": replica.busy * replica.prefill / read,
        "decode": replica.busy * replica.decode / _written(need),
    }


def sent(watching: Watching, need: Tokens, anew: bool) -> float:
    """Bytes a second from a stream to its model server."""
    past = need.past / need.fresh * watching.passage
    note = watching.passage if anew else past
    return note / need.segment + need.questions / 3600 * past


def _written(need: Tokens) -> float:
    return need.noted / need.segment + need.questions / 3600 * need.answer


def first_token(replica: Replica, tokens: float) -> float:
    """Seconds of prefill, alone on a replica."""
    return tokens / replica.prefill


def limits(replica: Replica, need: Tokens) -> Iterator[str]:
    yield "| streams of one replica | prefill | decode | cache | the least | read for a question |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    ways = {
        "past in its cache, 16,384 tokens": (warm(replica, need), need.question),
        "past in its cache, 4,096 tokens": (
            warm(replica, replace(need, past=4096)),
            need.question,
        ),
        "past read again for each question": (cold(replica, need), need.past + need.question),
        "the same, without notes": (
            cold(replica, replace(need, fresh=0, note=0, noted=0)),
            need.past + need.question,
        ),
    }
    for name, (by, read) in ways.items():
        kept = f"{by['cache']:,.0f}" if "cache" in by else "-"
        least = min(by.values())
        yield (
            f"| {name} | {by['prefill']:,.0f} | {by['decode']:,.0f} | {kept} | {least:,.0f} | "
            f"{first_token(replica, read):.2f} s |"
        )


def plan(
    cameras: Sequence[int], watching: Watching, need: Tokens, replica: Replica
) -> Iterator[str]:
    yield (
        "| cameras | cores | memory GiB | processes | disk a day | disk kept | "
        "past in cache: replicas | sent | past read again: replicas | sent |"
    )
    yield "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    hot, anew = min(warm(replica, need).values()), min(cold(replica, need).values())
    for count in cameras:
        processes = math.ceil(count / watching.per_process)
        memory = processes * watching.loaded + count * watching.stream
        yield (
            f"| {count:,} | {count * watching.cores:,.1f} | {memory:,.1f} | {processes:,} | "
            f"{_size(count * watching.disk * 86_400)} | {_size(count * watching.kept * 2**30)} | "
            f"{math.ceil(count / hot):,} | {_size(count * sent(watching, need, False))}/s | "
            f"{math.ceil(count / anew):,} | {_size(count * sent(watching, need, True))}/s |"
        )


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} PB"


def tables() -> str:
    """Both, as they stand in docs/capacity.md."""
    watching, need, replica = Watching(), Tokens(), Replica()
    cameras = (1, 4, 16, 100, 1_000, 10_000)
    lines = [*limits(replica, need), "", *plan(cameras, watching, need, replica)]
    return "\n".join(lines)


if __name__ == "__main__":
    print(tables())
