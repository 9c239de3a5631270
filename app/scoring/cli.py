"""``score``: run, import, compare, report."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from app.engine_options import EMBEDDED, choosing
from app.home import home
from app.scoring import header as headers
from app.scoring.candidate import Candidate, Guessing
from app.scoring.compare import compare, counts
from app.scoring.datasets import load_all
from app.scoring.extraction import PUBLISHED_RULES, STRICT_RULE
from app.scoring.gaze import GazeOf, gaze_finder
from app.scoring.prompts import Prompts, load_prompts
from app.scoring.questions import DataError, Question, QuestionSet
from app.scoring.replies import import_replies
from app.scoring.report import MEASURED, disagreements, load_run, summary, sums, write_report
from app.scoring.results import Result, read_results
from app.scoring.runner import Runner, Share, result_files, video_finder
from app.scoring.table import Row, tabulate
from pipeline.engine import Choice

TOLD_EVERY = 30.0
"""Seconds between two lines on how far a run is, where there is no terminal to show a bar."""


class Contender(Protocol):
    """An engine that was loaded to be scored."""

    def candidate(self, gaze: GazeOf) -> Candidate:
        """The engine, watching."""
        ...

    def blind(self) -> Candidate:
        """Its reasoner, which sees nothing."""
        ...


class Mode(StrEnum):
    clip = "clip"
    stream = "stream"


class Benchmark(StrEnum):
    ovo_bench = "ovo-bench"
    streamingbench = "streamingbench"
    streamgaze = "streamgaze"


class _Bad(typer.Exit):
    """Bad input: told on the error stream, exit code 2."""

    def __init__(self, told: str) -> None:
        Console(stderr=True, highlight=False, soft_wrap=True).print(told, style="red", markup=False)
        super().__init__(2)


@contextmanager
def _bad_input() -> Iterator[None]:
    try:
        yield
    except DataError as error:
        raise _Bad(str(error)) from error
    except OSError as error:
        raise _Bad(f"{error.filename or 'disk'}: {error.strerror or error}") from error


Load = Callable[[Choice], Contender]
"""Loads an engine; raises DataError if it cannot be loaded."""


def build_app(engines: Mapping[str, Load]) -> typer.Typer:
    """The commands, offering ``engines`` by name besides the random baseline.

    An engine is loaded when it is first needed.
    """
    score = typer.Typer(
        name="score",
        help="Score an engine on question sets of the field, offline.",
        no_args_is_help=True,
        pretty_exceptions_show_locals=False,
    )
    offered = ", ".join([*engines, "random"])

    @score.command()
    @choosing
    def run(
        data: Annotated[
            list[Path],
            typer.Argument(
                help="Question files of one benchmark, as published or in our format, or their "
                "folder."
            ),
        ],
        videos: Annotated[
            Path | None, typer.Option(help="Folder of the videos; by default that of DATA.")
        ] = None,
        mode: Annotated[
            Mode, typer.Option(help="clip: the published way; stream: watched once, causally.")
        ] = Mode.clip,
        out: Annotated[
            Path | None, typer.Option(help="Folder of the run; an unfinished run goes on in it.")
        ] = None,
        limit: Annotated[
            int | None, typer.Option(min=1, help="Only the first N questions.")
        ] = None,
        tasks: Annotated[str, typer.Option(help="Only these tasks, separated by commas.")] = "",
        seed: Annotated[int, typer.Option(help="Of the random baseline.")] = 0,
        require_all: Annotated[
            bool, typer.Option("--require-all", help="A missing video is an error.")
        ] = False,
        blind: Annotated[
            bool, typer.Option("--blind", help="Ask the engine without showing it the video.")
        ] = False,
        free: Annotated[
            bool,
            typer.Option(
                "--free", help="Ask for replies in words, not for a choice by probability."
            ),
        ] = False,
        baselines: Annotated[
            bool, typer.Option("--baselines", help="Also run blind and random, beside the engine.")
        ] = False,
        all_context: Annotated[
            bool,
            typer.Option("--all-context", help="StreamingBench: all context instead of 60 s."),
        ] = False,
        prompts: Annotated[
            Path | None, typer.Option(help="JSON of prompt templates, such as official wording.")
        ] = None,
        gaze: Annotated[
            str | None,
            typer.Option(
                help="Folder of gaze files named after the videos (by default 'gaze' beside DATA, "
                "if there is one), or none, shuffled or shuffled:FOLDER, to compare with."
            ),
        ] = None,
        choice: Choice = EMBEDDED,
    ) -> None:
        """Ask an engine every question of DATA and report how it did."""
        engine = choice.name
        with _bad_input():
            if engine != "random" and engine not in engines:
                raise DataError(f"no engine {engine!r}; there are {offered}")
            loaded, files = load_all(data, all_context=all_context)
            folder_of_videos = videos or files[0].parent
            if not folder_of_videos.is_dir():
                raise DataError(f"{videos} is no folder; --videos names where the videos are")
            asked = _selected(loaded, tasks, limit)
            find = video_finder(folder_of_videos)
            missing = sorted({q.video for q in asked if find(q.video) is None})
            if require_all and missing:
                named = ", ".join(missing[:5]) + (" ..." if len(missing) > 5 else "")
                raise DataError(f"{len(missing)} videos are not in {folder_of_videos}: {named}")
            there = [q.video for q in asked if find(q.video) is not None]
            whose, gaze_of = gaze_finder(gaze, files[0].parent, there)
            job = _Job(
                files=files,
                loaded=loaded,
                asked=asked,
                mode=mode,
                wording=load_prompts(prompts) if prompts else Prompts(),
                gaze=whose,
                free=free,
                seed=seed,
                selection={"limit": limit, "tasks": tasks, "all_context": all_context},
                find=find,
            )
            folder = out or home() / "scores" / "-".join(
                [
                    files[0].stem if len(files) == 1 else loaded.benchmark,
                    engine,
                    *([Path(choice.model).name] if choice.model else []),
                    *(["plain"] if choice.plain else []),
                    *(["blind"] if blind else []),
                    *([f"gaze-{whose}"] if gaze is not None else []),
                    mode.value,
                ]
            )
            if engine == "random":
                job.run(Guessing(seed), folder, "random")
            else:
                contender = engines[engine](choice)
                if blind:
                    job.run(contender.blind(), folder, "blind")
                else:
                    if baselines:
                        job.run(Guessing(seed), folder / "random", "random")
                        job.run(contender.blind(), folder / "blind", "blind")
                    job.run(contender.candidate(gaze_of), folder, engine)
            _finish(folder)

    @score.command("import")
    def import_(
        benchmark: Annotated[Benchmark, typer.Argument(help="Whose result files these are.")],
        path: Annotated[Path, typer.Argument(help="Result file, or folder of them.")],
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
        model: Annotated[
            str, typer.Option(help="StreamingBench: the model's name in the file.")
        ] = "",
    ) -> None:
        """Mark published replies again, by the published and by the strict rule."""
        with _bad_input():
            found = import_replies(benchmark.value, path, model)
        rows = tabulate(found.results)
        differing = disagreements(found.results)
        malformed = [(r.id, r.malformed) for r in found.results if r.malformed]
        if as_json:
            told = {
                "benchmark": found.benchmark,
                "rows": [asdict(row) for row in rows],
                "malformed": malformed,
                "disagreements": differing,
                "rejected": [asdict(entry) for entry in found.rejected],
            }
            print(json.dumps(told, indent=1))
            return
        console = _screen()
        _print_table(console, rows, {})
        for why in dict.fromkeys(why for _, why in malformed):
            names = [name for name, its in malformed if its == why]
            console.print(
                f"{len(names)} malformed replies ({why}), wrong by the strict rule: "
                + ", ".join(names),
                markup=False,
                highlight=False,
            )
        if differing:
            console.print(f"The two rules disagree on {len(differing)} replies.")
            console.print(f"Published: {PUBLISHED_RULES[benchmark.value]}", highlight=False)
            console.print(f"Strict: {STRICT_RULE}", highlight=False)
        for line in differing:
            console.print(f"  {line}", markup=False, highlight=False)
        for entry in found.rejected:
            console.print(f"cannot be marked: {entry.where}: {entry.why}", markup=False)

    @score.command("compare")
    def compare_(
        first: Annotated[Path, typer.Argument(help="Folder of a run.")],
        second: Annotated[Path, typer.Argument(help="Folder of another over the same data.")],
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """Say whether two runs differ by more than luck (McNemar's exact test)."""
        with _bad_input():
            runs = [load_run(folder) for folder in (first, second)]
            if runs[0].header["data"]["files"] != runs[1].header["data"]["files"]:
                raise DataError("the two runs used different data files")
            pairings = compare(runs[0].results, runs[1].results)
        if as_json:
            print(json.dumps([asdict(pairing) for pairing in pairings], indent=1))
            return
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for head in ("", "rule", "n", "both", "only A", "only B", "neither", "p"):
            table.add_column(head, justify="left" if head in ("", "rule") else "right")
        for pairing in pairings:
            table.add_row(
                pairing.name, pairing.rule, *map(str, counts(pairing)), f"{pairing.p:.4f}"
            )
        _screen().print(table)

    @score.command()
    def report(folder: Annotated[Path, typer.Argument(help="Folder of a run.")]) -> None:
        """Write a run's reports anew and print its table."""
        with _bad_input():
            _finish(folder)

    return score


@dataclass(frozen=True, slots=True)
class _Job:
    """What is the same for the engine and its baselines."""

    files: list[Path]
    loaded: QuestionSet
    asked: tuple[Question, ...]
    mode: Mode
    wording: Prompts
    gaze: str
    free: bool
    seed: int
    selection: dict[str, object]
    find: Callable[[str], Path | None]

    def run(self, candidate: Candidate, out: Path, name: str) -> None:
        """Run a candidate, or go on with its run, and write its report once all is asked."""
        header = headers.build(
            engine=candidate.describe(),
            mode=self.mode.value,
            prompts=self.wording,
            gaze=self.gaze,
            free=self.free,
            files=self.files,
            loaded=self.loaded,
            asked=self.asked,
            seed=self.seed,
            selection=self.selection,
        )
        headers.settle(header, out)
        share = Share.of_environment()
        done = {r.id for r in read_results(result_files(out)) if r.status != "missing"}
        mine = self._mine(share)
        with _progress(share.rank == 0) as bar:
            task = bar.add_task(name, total=len(mine), completed=len(mine & done))

            told = time.monotonic()

            def advance(result: Result) -> None:
                nonlocal told
                bar.advance(task)
                if bar.disable and time.monotonic() - told > TOLD_EVERY:
                    told = time.monotonic()
                    _tell(bar.tasks[0])

            Runner(
                candidate=candidate,
                mode="clip" if self.mode is Mode.clip else "stream",
                find=self.find,
                out=out,
                prompts=self.wording,
                share=share,
                free=self.free,
                progress=advance,
            ).run(self.asked)
        # Whoever finishes last finds all asked; nobody waits, so nobody can hang.
        if not load_run(out).outstanding:
            write_report(out)

    def _mine(self, share: Share) -> set[str]:
        videos = list(dict.fromkeys(q.video for q in self.asked))
        taken = {video for number, video in enumerate(videos) if share.takes(number)}
        return {q.id for q in self.asked if q.video in taken}


def _selected(loaded: QuestionSet, tasks: str, limit: int | None) -> tuple[Question, ...]:
    asked = loaded.questions
    if tasks:
        known = {q.task.lower(): q.task for q in asked}
        wanted = [task.strip().lower() for task in tasks.split(",") if task.strip()]
        unknown = [task for task in wanted if task not in known]
        if unknown:
            raise DataError(f"no task {unknown[0]!r} here; there are {', '.join(known.values())}")
        asked = tuple(q for q in asked if q.task.lower() in wanted)
    return asked[:limit]


def _finish(folder: Path) -> None:
    """Write the reports and print the table; of several processes the last one does."""
    run, rows, beside = write_report(folder)
    share = Share.of_environment()
    if run.outstanding and share.world > 1:
        return
    console = _screen()
    _print_table(console, rows, beside)
    states = [result.status for result in run.results]
    if errors := states.count("error"):
        console.print(f"{errors} engine errors: {folder / 'report.md'} names them", style="red")
    if missing := states.count("missing"):
        console.print(f"{missing} questions without their video", style="yellow")
    if run.outstanding:
        console.print(
            f"{len(run.outstanding)} questions not asked yet: run the same command again",
            style="yellow",
        )
    console.print(f"reports: {folder / 'report.html'}, report.md, table.csv", highlight=False)


def _screen() -> Console:
    # Into a file or a pipe there is no width to keep to.
    return Console(width=None if sys.stdout.isatty() else 120)


def _print_table(console: Console, rows: Sequence[Row], beside: dict[str, list[Row]]) -> None:
    """The columns that fit a terminal; the reports have them all."""
    heads, *lines = summary(rows, beside)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown = len(heads) - len(MEASURED)
    for number, name in enumerate(heads[:shown]):
        table.add_column(name, justify="right" if number else "left")
    for number, line in enumerate(lines):
        table.add_row(*line[:shown], style="bold" if number in sums(rows) else None)
    console.print(table)


def _tell(task: Task) -> None:
    """A line on how far it is, for a log: a progress bar is for terminals alone."""
    left = "" if task.time_remaining is None else f", {task.time_remaining / 60:.0f} min left"
    print(f"{task.description}: {task.completed:.0f} of {task.total:.0f}{left}", file=sys.stderr)


def _progress(shown: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not shown or not sys.stderr.isatty(),
    )
