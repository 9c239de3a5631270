"""A run's folder made into ``report.md``, ``table.csv`` and a self-contained ``report.html``."""

from __future__ import annotations

import csv
import html
import io
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.scoring import header as headers
from app.scoring import plots
from app.scoring.anchors import SYSTEMS
from app.scoring.extraction import PUBLISHED_RULES, STRICT_RULE
from app.scoring.protocol import REPLIES, STATEMENT
from app.scoring.results import Result, read_results
from app.scoring.runner import result_files
from app.scoring.table import AGGREGATION, Rate, Row, published_of, tabulate

BASELINES = ("blind", "random")
"""Names of the folders, inside a run's, that hold the same questions' baselines."""

_LISTED = 40
"""Entries of a list of ids that a report names before it says how many more there are."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A run as its folder tells it: results in the questions' order, and what is outstanding."""

    header: dict[str, Any]
    results: list[Result]
    outstanding: list[str]


def load_run(out: Path) -> Finished:
    """Read a run's folder.

    Raises:
        DataError: it is none, or is damaged.
    """
    header = headers.read(out)
    found = {result.id: result for result in read_results(result_files(out))}
    ids = header["ids"]
    return Finished(
        header, [found[i] for i in ids if i in found], [i for i in ids if i not in found]
    )


def write_report(out: Path) -> tuple[Finished, list[Row], dict[str, list[Row]]]:
    """Write the three reports of a run's folder, each whole or not at all.

    Returns:
        The run, its table, and those of its baselines.
    """
    run = load_run(out)
    baselines = {
        name: load_run(out / name) for name in BASELINES if (out / name / "run.json").exists()
    }
    rows = tabulate(run.results)
    beside = {name: tabulate(other.results) for name, other in baselines.items()}
    _whole(out / "report.md", markdown(run, rows, beside))
    _whole(out / "table.csv", table_csv(rows, beside))
    _whole(out / "report.html", page(run, rows, beside))
    return run, rows, beside


MEASURED = (
    *("first token p50 / p95 s", "total p50 / p95 s", "tokens"),
    *("errors", "missing", "left out"),
)
"""Headings of the last columns of :func:`summary`, which a narrow screen can do without."""


def summary(rows: Sequence[Row], beside: dict[str, list[Row]]) -> list[list[str]]:
    """The main table as text cells, its heading first."""
    cells = [
        ["", "n", "published % (95 %)", "strict % (95 %)", "chance %"]
        + [f"{name} %" for name in beside]
        + [*MEASURED]
    ]
    for row in rows:
        others = [{other.name: other for other in table} for table in beside.values()]
        cells.append(
            [row.name, str(row.asked)]
            + [_percent(row.published), _percent(row.strict), _share(row.chance)]
            + [_share(o[row.name].strict.value) if row.name in o else "-" for o in others]
            + [_pair(row.first_token), _pair(row.seconds)]
            + ["-" if row.tokens is None else f"{row.tokens:.0f}"]
            + [str(row.errors), str(row.missing), str(row.left_out)]
        )
    return cells


def disagreements(results: Sequence[Result]) -> list[str]:
    """A line on each reply that one rule counts right and the other wrong."""
    return [
        f"{r.id} (answer {r.answer}): {r.reply!r} is {_word(r.published)} by the published rule, "
        f"{_word(r.strict)} by the strict one"
        for r in results
        if (mark := published_of(r)) is not None and mark != r.strict
    ]


def _word(mark: bool | None) -> str:
    return "right" if mark else "wrong"


def sums(rows: Sequence[Row]) -> list[int]:
    """Places of the rows that sum up others: groups and the total."""
    return [number for number, row in enumerate(rows) if row.level != "task"]


def markdown(run: Finished, rows: Sequence[Row], beside: dict[str, list[Row]]) -> str:
    """The report as Markdown."""
    cells = summary(rows, beside)
    for number in sums(rows):
        cells[1 + number] = [f"**{cell}**" for cell in cells[1 + number]]
    parts = [f"# {_title(run)}", "", _verdict(run, rows), "", _table(cells), ""]
    parts += [f"- {line}" for line in _facts(run)]
    parts += ["", "## Protocol", ""]
    parts += [f"- **{name}**: {text}" for name, text in _rules(run)]
    for title, lines in _lists(run):
        parts += ["", f"## {title} ({len(lines)})", "", *(f"- {line}" for line in _cut(lines))]
    published = _published_table(run, rows)
    if published:
        parts += [
            "",
            "## Beside published systems (percent, theirs not measured here)",
            "",
            _table(published),
        ]
        parts += ["", *(f"- {s.system}: {s.source}" for s in SYSTEMS[_benchmark(run)])]
    return "\n".join(parts) + "\n"


def table_csv(rows: Sequence[Row], beside: dict[str, list[Row]]) -> str:
    """The rows as CSV: shares in [0, 1], seconds, empty for unknown."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(
        ["level", "group", "name", "asked", "scored", "errors", "missing", "left_out"]
        + ["published", "published_low", "published_high", "published_n"]
        + ["strict", "strict_low", "strict_high", "strict_n", "chance"]
        + ["first_token_p50", "first_token_p95", "seconds_p50", "seconds_p95", "tokens"]
        + [f"{name}_strict" for name in beside]
    )
    for row in rows:
        others = [{other.name: other for other in beside[name]} for name in beside]
        writer.writerow(
            [row.level, row.group, row.name, row.asked, row.scored, row.errors, row.missing]
            + [row.left_out, row.published.value, *row.published.interval, row.published.n]
            + [row.strict.value, *row.strict.interval, row.strict.n, row.chance]
            + [*row.first_token, *row.seconds, row.tokens]
            + [o[row.name].strict.value if row.name in o else None for o in others]
        )
    return file.getvalue()


def page(run: Finished, rows: Sequence[Row], beside: dict[str, list[Row]]) -> str:
    """The report as one HTML file that needs nothing else."""
    say = html.escape
    cells = summary(rows, beside)
    body = [f"<h1>{say(_title(run))}</h1><p>{say(_verdict(run, rows))}</p>"]
    body += [_html_table(cells, sums(rows)), _ul(_facts(run))]
    drawn = (
        ("Accuracy by task", plots.by_task(rows, dict(beside), SYSTEMS.get(_benchmark(run), ()))),
        ("Accuracy against memory age", plots.by_age(run.results)),
        ("Latency", plots.latency(run.results)),
        ("Tokens against accuracy", plots.by_tokens(run.results)),
    )
    body += [f"<h2>{title}</h2>{svg}" for title, svg in drawn if svg]
    body += ["<h2>Protocol</h2>", _ul([f"{name}: {text}" for name, text in _rules(run)])]
    for title, lines in _lists(run):
        body.append(
            f"<details><summary>{say(title)} ({len(lines)})</summary>{_ul(_cut(lines))}</details>"
        )
    published = _published_table(run, rows)
    if published:
        body += [
            "<h2>Beside published systems (percent, theirs not measured here)</h2>",
            _html_table(published),
        ]
        body.append(_ul([f"{s.system}: {s.source}" for s in SYSTEMS[_benchmark(run)]]))
    style = (
        "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:92rem;padding:0 1rem;"
        "color:#111;background:#fff}div{overflow-x:auto}table{border-collapse:collapse;"
        "font-size:.85em}td,th{border:1px solid #bbb;padding:.25em .5em;text-align:right;"
        "white-space:nowrap}td:first-child{text-align:left}tr.sum{font-weight:bold;"
        "background:#f0f0f0}svg{max-width:100%;height:auto}summary{font-size:1.2em;"
        "font-weight:bold;margin:.6em 0;cursor:pointer}"
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{say(_title(run))}</title>'
        f"<style>{style}</style><body>{''.join(body)}</body></html>\n"
    )


def _title(run: Finished) -> str:
    engine = run.header["engine"]
    return (
        f"{engine['engine']} {engine.get('model', '')} on {', '.join(run.header['data']['files'])}"
    )


def _verdict(run: Finished, rows: Sequence[Row]) -> str:
    if not rows:
        return "Nothing has been asked yet."
    total = rows[-1]
    return (
        f"In total {_percent(total.strict)} % right by the strict rule, "
        f"{_percent(total.published)} % by the published one, over {total.asked} questions in "
        f"{run.header['protocol']['mode']} mode; in brackets 95 % intervals. Baselines are by the "
        "strict rule."
    )


def _benchmark(run: Finished) -> str:
    return str(run.header["data"]["benchmark"])


def _facts(run: Finished) -> list[str]:
    data, protocol, hardware = (run.header[name] for name in ("data", "protocol", "hardware"))
    states = [result.status for result in run.results]
    facts = [
        "Engine: " + ", ".join(f"{name} {value}" for name, value in run.header["engine"].items()),
        "Data: " + ", ".join(f"{name} (SHA-256 {sha})" for name, sha in data["files"].items()),
        f"Questions in it: {data['questions']}, asked {data['asked']} "
        f"({_selection(data['selection'])})",
        f"Mode: {protocol['mode']}, seed {protocol['seed']}, prompts {protocol['prompts']} "
        f"(SHA-256 {protocol['prompts_sha256'][:12]})",
        "Software: " + ", ".join(f"{n} {v}" for n, v in run.header["software"].items()),
        f"Hardware: {hardware['cores']} cores of {hardware['processor']} ({hardware['machine']}), "
        f"{hardware['memory_gib']} GiB, {', '.join(hardware['gpus']) or 'no GPU'}",
        f"Questions: {states.count('scored')} scored, {states.count('error')} engine errors, "
        f"{states.count('missing')} without their video, {len(run.outstanding)} not asked yet",
    ]
    if run.outstanding:
        facts.append("INCOMPLETE: run the same command again to go on.")
    return facts


def _selection(selection: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in selection.items() if value) or "all"


def _rules(run: Finished) -> list[tuple[str, str]]:
    benchmark = _benchmark(run)
    different = len(disagreements(run.results))
    windows = ", ".join(f"{w:g} s" if w else "all" for w in run.header["protocol"]["windows"])
    return [
        ("Mode", STATEMENT[run.header["protocol"]["mode"]] + f" Windows: {windows}."),
        ("Replies", REPLIES[run.header["protocol"]["free_replies"]]),
        ("Published rule", PUBLISHED_RULES[benchmark]),
        ("Strict rule", STRICT_RULE),
        ("The two rules", f"They disagree on {different} replies, listed below if any."),
        ("Totals", AGGREGATION[benchmark]),
        (
            "Intervals",
            "95 %: Wilson's for shares, and Wilson's of the tasks put together for means of means "
            "(Zou and Donner, 2008). They take questions for independent; those of one video are "
            "not quite, so they are too narrow.",
        ),
    ]


def _lists(run: Finished) -> list[tuple[str, list[str]]]:
    data = run.header["data"]
    results = run.results
    lists = [
        ("Entries that could not be asked", [f"{w}: {why}" for w, why in data["rejected"]]),
        ("Entries mended", [f"{i}: {'; '.join(r)}" for i, r in data["mended"].items()]),
        ("Engine errors", [f"{r.id}: {r.error}" for r in results if r.status == "error"]),
        ("Missing videos", sorted({r.video for r in results if r.status == "missing"})),
        ("Malformed replies", [f"{r.id}: {r.malformed}" for r in results if r.malformed]),
        ("Where the rules disagree", disagreements(results)),
    ]
    return [(title, lines) for title, lines in lists if lines]


def _cut(lines: list[str]) -> list[str]:
    more = len(lines) - _LISTED
    return lines if more <= 0 else [*lines[:_LISTED], f"and {more} more, in run.json and results"]


def _published_table(run: Finished, rows: Sequence[Row]) -> list[list[str]]:
    # A total over a part of the benchmark is not the published total.
    whole = len({row.group for row in rows if row.group}) > 1
    known = [row for row in rows if whole or row.level != "total"]
    systems = [
        s for s in SYSTEMS.get(_benchmark(run), ()) if any(r.name in s.scores for r in known)
    ]
    if not systems:
        return []
    return [["", "this run, published rule", *(system.system for system in systems)]] + [
        [row.name, _share(row.published.value)]
        + [f"{s.scores[row.name]:.2f}" if row.name in s.scores else "-" for s in systems]
        for row in known
        if any(row.name in system.scores for system in systems)
    ]


def _percent(rate: Rate) -> str:
    if rate.value is None:
        return "-"
    low, high = rate.interval
    return f"{100 * rate.value:.2f} ({100 * low:.1f}-{100 * high:.1f})"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _pair(values: tuple[float | None, float | None]) -> str:
    return " / ".join("-" if value is None else f"{value:.2f}" for value in values)


def _table(cells: list[list[str]]) -> str:
    head, *rest = [[cell.replace("|", "\\|") for cell in row] for row in cells]
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rest])


def _html_table(cells: list[list[str]], sums: Collection[int] = ()) -> str:
    head, *rest = cells
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    rows = "".join(
        ('<tr class="sum">' if number in sums else "<tr>")
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
        + "</tr>"
        for number, row in enumerate(rest)
    )
    return f"<div><table><tr>{top}</tr>{rows}</table></div>"


def _ul(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in lines) + "</ul>"


def _whole(path: Path, text: str) -> None:
    """Write a file so that nobody ever sees half of it; processes may do so at once."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
