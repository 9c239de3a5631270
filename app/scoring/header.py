"""What a run did, for machines: ``run.json`` in the run's folder.

Fields: ``format`` (1); ``engine`` (what the candidate says of itself: engine, model, revision,
dtype, budgets, seed); ``protocol`` (mode, windows, seed, prompts and their SHA-256, whose gaze, how
replies are asked for); ``data`` (files with their SHA-256, benchmark, how many questions, limit,
tasks, the rejected and the mended entries); ``ids`` (every question of the run, in order);
``software`` (versions); ``commit`` (of Onlooker, empty outside a checkout); ``hardware``;
``started`` (UTC). All but the last four must be equal for a run to be gone on with.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.scoring.prompts import Prompts
from app.scoring.questions import DataError, Question, QuestionSet

_PACKAGES = ("torch", "transformers", "accelerate", "av", "numpy", "faster-whisper", "rapidocr")
_IDENTITY = ("format", "engine", "protocol", "data", "ids")


def build(
    *,
    engine: dict[str, object],
    mode: str,
    prompts: Prompts,
    gaze: str,
    free: bool,
    files: Sequence[Path],
    loaded: QuestionSet,
    asked: Sequence[Question],
    seed: int,
    selection: dict[str, object],
) -> dict[str, Any]:
    """The header of a run about to begin."""
    return {
        "format": 1,
        "engine": engine,
        "protocol": {
            "mode": mode,
            "seed": seed,
            "prompts": prompts.source,
            "prompts_sha256": prompts.digest,
            "gaze": gaze,
            "free_replies": free,
            "windows": sorted({q.window or 0.0 for q in asked}),
        },
        "data": {
            "files": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
            "benchmark": loaded.benchmark,
            "questions": len(loaded.questions),
            "asked": len(asked),
            "selection": selection,
            "rejected": [[entry.where, entry.why] for entry in loaded.rejected],
            "mended": {q.id: list(q.remarks) for q in asked if q.remarks},
        },
        "ids": [question.id for question in asked],
        "software": _software(),
        "commit": _commit(),
        "hardware": _hardware(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def settle(header: dict[str, Any], out: Path) -> None:
    """Write the header into a new run's folder, or see that the folder is of the same run.

    Processes may do this at the same time: one writes, the others compare.

    Raises:
        DataError: the folder holds another run.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / "run.json"
    draft = out / f".run.{os.getpid()}.json"
    draft.write_text(json.dumps(header, indent=1, ensure_ascii=False), encoding="utf-8")
    try:
        os.link(draft, path)
    except FileExistsError:
        held = read(out)
        mine = json.loads(draft.read_text(encoding="utf-8"))
        other = [name for name in _IDENTITY if held.get(name) != mine[name]]
        if other:
            raise DataError(
                f"{out} holds a run with another {' and another '.join(other)}; give a new folder "
                "with --out"
            ) from None
    finally:
        draft.unlink()


def read(out: Path) -> dict[str, Any]:
    """The header of a run's folder.

    Raises:
        DataError: there is none, or it is not one.
    """
    path = out / "run.json"
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{out} is no folder of a scoring run: it has no run.json") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is damaged: {error}") from error
    if not isinstance(header, dict) or header.get("format") != 1:
        raise DataError(f"{path} is not a header this version can read")
    return header


def _software() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _commit() -> str:
    try:
        told = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout.strip()


def _hardware() -> dict[str, object]:
    import torch

    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(pages * page / 2**30, 1),
        "gpus": [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())],
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()
