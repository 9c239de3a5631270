"""What the sources given to a command are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from app.telling import Told
from pipeline.sources.devices import is_device

_NAMED = re.compile(r"([^\W_][\w -]*)=(.+)", re.DOTALL)


def named(specs: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Sources by their names. A lone one needs none; of several each has one: as given by
    ``names`` or by ``name=source``, else after its file or host.

    Raises:
        Told: names and sources do not fit together.
    """
    if names and len(names) != len(specs):
        raise Told(f"{len(names)} names for {len(specs)} sources: give one --name for each")
    found: dict[str, str] = {}
    for place, spec in enumerate(specs):
        name, spec = _split(spec)
        if names:
            name = names[place].strip()
            if not re.search(r"[^\W_]", name):
                raise Told("a name is empty: every --name needs a word")
        elif not name and len(specs) > 1:
            name = _after(spec)
            same = sum(re.sub(r" \d+$", "", other) == name for other in found)
            name = f"{name} {same + 1}" if same else name
        if name.casefold() in (other.casefold() for other in found):
            raise Told(f"two sources are called {name!r}: give each a name of its own")
        found[name] = spec
    if list(found.values()).count("-") > 1:
        raise Told("standard input is one source: name - once")
    return found


def _split(spec: str) -> tuple[str, str]:
    match = _NAMED.fullmatch(spec)
    return ("", spec) if match is None or Path(spec).exists() else (match[1].strip(), match[2])


def _after(spec: str) -> str:
    if spec == "-":
        return "standard input"
    if "://" in spec:
        return urlsplit(spec).hostname or "stream"
    return spec.replace(":", " ").strip() if is_device(spec) else Path(spec).stem
