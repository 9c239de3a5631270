"""Published scores of other systems, in percent, each with where it was read.

They were not measured here. Names of rows are those of our tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Published:
    """One system's published scores by task, group or ``total``."""

    system: str
    scores: Mapping[str, float]
    source: str


_STREAMINGBENCH = "StreamingBench, repository README at 8929923 (60 s context)"
_OVO = "OVO-Bench, repository README at c34093f"
_STREAMGAZE = "StreamGaze, repository README at 07b8a44"


def _parts(visual: float, omni: float, contextual: float, total: float) -> dict[str, float]:
    return {
        "real-time visual": visual,
        "omni-source": omni,
        "contextual": contextual,
        "total": total,
    }


def _modes(now: float, back: float, forward: float, total: float) -> dict[str, float]:
    return {"real-time": now, "backward": back, "forward": forward, "total": total}


SYSTEMS: Mapping[str, tuple[Published, ...]] = {
    "streamingbench": (
        Published("Human", _parts(91.46, 90.26, 93.55, 91.66), _STREAMINGBENCH),
        Published("Gemini 1.5 Pro", _parts(77.39, 67.80, 51.06, 70.26), _STREAMINGBENCH),
        Published("GPT-4o", _parts(74.54, 50.95, 49.06, 64.31), _STREAMINGBENCH),
        Published("Qwen2-VL-7B", _parts(71.15, 40.73, 34.24, 57.20), _STREAMINGBENCH),
        Published("MiniCPM-o 2.6", _parts(79.9, 53.4, 38.5, 66.0), "MiniCPM-o's own table"),
        Published(
            "IXC2.5-OmniLive",
            {
                "real-time visual": 73.79,
                "Object Recognition": 82.83,
                "Causal Reasoning": 73.77,
                "Clips Summarize": 78.66,
                "Attribute Recognition": 82.95,
                "Event Understanding": 72.50,
                "Text-Rich Understanding": 76.01,
                "Prospective Reasoning": 61.11,
                "Spatial Understanding": 60.67,
                "Action Recognition": 71.59,
                "Counting": 58.85,
            },
            "InternLM-XComposer repository README at 0f70c3e; its scored path does not use the "
            "streaming memory",
        ),
    ),
    "ovo-bench": (
        Published("Human", _modes(93.20, 92.33, 92.90, 92.81), _OVO),
        Published(
            "Gemini 1.5 Pro",
            {
                **_modes(69.32, 62.54, 57.15, 63.00),
                "ASI": 76.35,
                "HLD": 52.69,
                "EPM": 58.59,
                "ATR": 79.31,
                "ACR": 66.97,
                "OCR": 85.91,
                "STU": 58.43,
                "OJR": 61.96,
                "FPD": 63.37,
                "REC": 35.53,
                "SSR": 74.24,
                "CRR": 61.67,
            },
            _OVO,
        ),
        Published("GPT-4o", _modes(64.46, 60.75, 53.40, 59.54), _OVO),
        Published("Qwen2-VL-7B", _modes(55.98, 46.46, 48.74, 50.39), _OVO),
        Published("Dispider", _modes(54.55, 36.06, 34.72, 41.78), _OVO),
        Published("Flash-VStream", _modes(28.37, 27.38, 45.09, 33.61), _OVO),
    ),
    "streamgaze": (
        Published("Human", {"total": 82.7}, _STREAMGAZE),
        Published(
            "GPT-4o", {"total": 53.5, "proactive_object_appearance_alert": 14.9}, _STREAMGAZE
        ),
        Published("Qwen2.5-VL-7B", {"total": 47.8}, _STREAMGAZE),
        Published("ViSpeak", {"total": 46.7}, _STREAMGAZE),
        Published("Flash-VStream", {"total": 24.3}, _STREAMGAZE),
        Published("VideoLLM-online", {"total": 8.0}, _STREAMGAZE),
    ),
}
