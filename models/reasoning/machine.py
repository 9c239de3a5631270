"""What this machine can run: devices, memory, number formats, attention, optional packages."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import torch

from models.reasoning.attention import able_backends

_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of the report: what, how it is here, and what could be done about it."""

    name: str
    value: str
    hint: str = ""


def free_memory() -> int:
    """Bytes of main memory that this process may still take: what the system has available,
    or what its container leaves."""
    free: int = psutil.virtual_memory().available
    for path in _CGROUP_LIMITS:
        try:
            limit = int(path.read_text())
        except (OSError, ValueError):  # no container, or "max"
            continue
        free = min(free, limit - psutil.Process().memory_info().rss)
    return max(free, 0)


def free_graphics_memory() -> list[int]:
    """Bytes free on each CUDA device."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [int(torch.cuda.mem_get_info(i)[0]) for i in range(count)]


def has_package(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def gigabytes(amount: float) -> str:
    return f"{amount / 1e9:.1f} GB"


def report() -> list[Fact]:
    """The facts that decide which model can run here, for people."""
    facts = [
        Fact("torch", torch.__version__),
        Fact("transformers", _version("transformers")),
        Fact(
            "processor",
            f"{os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}, "
            f"{gigabytes(free_memory())} of memory free",
        ),
    ]
    devices = _graphics()
    facts += devices or [
        Fact(
            "graphics",
            "none that PyTorch can use",
            "models of more than about 2 billion parameters answer slowly on a processor",
        )
    ]
    return [*facts, _room(), *_attention(), *_packages()]


def _graphics() -> list[Fact]:
    facts = []
    for number, free in enumerate(free_graphics_memory()):
        properties = torch.cuda.get_device_properties(number)
        formats = "bfloat16, float16" if torch.cuda.is_bf16_supported(False) else "float16"
        value = (
            f"{properties.name}, compute capability {properties.major}.{properties.minor}, "
            f"{gigabytes(free)} of {gigabytes(properties.total_memory)} free, {formats}, float32"
        )
        facts.append(Fact(f"cuda:{number}", value))
    if torch.backends.mps.is_available():
        facts.append(Fact("mps", "Apple graphics"))
    return facts


def _room() -> Fact:
    """How large a model fits, with a fifth of the memory left for its context."""
    cards = free_graphics_memory()
    usable = 0.8 * (sum(cards) if cards else free_memory())
    return Fact(
        "room for",
        f"about {usable / 2e9:.0f} billion weights in 16 bits, {usable / 0.6e9:.0f} in 4 bits",
        "Qwen3-VL comes with 2, 4, 8 and 32 billion",
    )


def _attention() -> list[Fact]:
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    able = able_backends(device, torch.bfloat16 if cuda else torch.float32)
    others = f"; can also run: {', '.join(able[1:])}" if able[1:] else ""
    return [Fact("attention", f"{able[0]} is chosen{others}", "--attention forces one")]


def _packages() -> list[Fact]:
    wanted = (
        ("bitsandbytes", "needed only for --quantise 8bit or 4bit"),
        ("accelerate", "needed only for models spread over devices"),
        ("num2words", "needed only for SmolVLM2"),
        ("torchvision", "not needed by the four families; some other models' processors do"),
        ("flash_attn", "not needed: the kernel inside PyTorch is used"),
    )
    return [
        Fact(name, _version(name) if has_package(name) else "not installed", hint)
        for name, hint in wanted
    ]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "installed"
