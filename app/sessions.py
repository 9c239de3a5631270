"""``sessions``: list, export and delete what was watched."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from app.home import sessions_folder
from app.telling import out, told
from app.timeline import clock
from app.web.room import FILE
from app.web.shelf import Shelf
from memory.sessions import SUFFIX, delete_session, export_session, list_sessions

sessions = typer.Typer(
    name="sessions",
    help="Sessions on disk, the page's too; to go on with one, give its file to watch --session.",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(help="A session's name, or its file.")]


@sessions.command("list")
def list_(
    folder: Annotated[Path | None, typer.Option(help="Where to look.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the sessions there are."""
    with told():
        where = folder or sessions_folder()
        kept = [replace(each.info, name=each.id) for each in Shelf(where).found()]
        found = sorted([*list_sessions(where), *kept], key=lambda info: -info.written)
    if as_json:
        print(json.dumps([{**asdict(info), "path": str(info.path)} for info in found]))
        return
    table = Table("session", "lasts", "segments", "questions", "MB", "last written", "")
    for info in found:
        written = datetime.fromtimestamp(info.written).strftime("%Y-%m-%d %H:%M")
        state = info.problem or ("in use" if info.in_use else "")
        megabytes = f"{info.bytes / 1e6:.1f}"
        table.add_row(
            info.name, clock(info.duration), str(info.segments), str(info.turns), megabytes,
            written, state,
        )  # fmt: skip
    out.print(table if found else "no sessions yet")


@sessions.command()
def export(
    name: Name,
    folder: Annotated[Path, typer.Argument(help="A new folder for JSON lines and pictures.")],
) -> None:
    """Write a session out as JSON lines and pictures."""
    with told():
        done = export_session(_path(name), folder)
    out.print(", ".join(f"{count} {what}" for what, count in asdict(done).items()))


@sessions.command()
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a session for good."""
    path = _path(name)
    if not yes:
        typer.confirm(f"delete {path}?", abort=True)
    with told():
        delete_session(path)
    shelf = Shelf(sessions_folder())
    if path == shelf.folder / name / FILE:
        shelf.forget(name)  # with the clip that came with it
    out.print(f"deleted {path}", markup=False)


def _path(name: str) -> Path:
    if name.endswith(SUFFIX) or "/" in name:
        return Path(name)
    if Shelf(sessions_folder()).holds(name):
        return sessions_folder() / name / FILE
    return sessions_folder() / f"{name}{SUFFIX}"
