"""Clock notations of the question files, and their two known kinds of typing mistakes."""

from __future__ import annotations

import re

_CLOCK = re.compile(r"(?:(\d{1,2}):)?(\d{1,3}):(\d{1,2}(?:\.\d+)?)")


def seconds(text: str | int | float) -> float:
    """Seconds of ``"HH:MM:SS"``, ``"MM:SS"``, ``"75.5"`` or a number.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(text, bool):
        raise ValueError(f"not a time: {text!r}")
    if isinstance(text, int | float):
        return float(text)
    text = text.strip()
    if found := _CLOCK.fullmatch(text):
        hours, minutes, rest = found.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(rest)
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    raise ValueError(f"not a time: {text!r}")


def span(text: str | None) -> tuple[float, float] | None:
    """Start and end of ``"[0:12:00 - 0:13:00]"`` (brackets optional), or None."""
    parts = (text or "").strip().strip("[]").split(" - ")
    try:
        start, end = (seconds(part) for part in parts)
    except ValueError:
        return None
    return (start, end) if start <= end else None


def mended(text: str, within: tuple[float, float] | None) -> tuple[float, str]:
    """Seconds of a time stamp, and a remark if it was mistyped.

    Published files hold ``00:12450`` for 00:12:45 and ``05:11:00`` for 00:05:11. Such a stamp
    is read again, with its first colons in other places or as minutes and seconds, and the
    reading that falls inside ``within`` (the stretch the entry is about) is taken.

    Raises:
        ValueError: no reading makes sense.
    """
    readings: list[float] = []
    try:
        plain = seconds(text)
    except ValueError:
        plain = None
    if plain is not None:
        # Questions are put some time after their stretch too; hours off is another matter.
        if within is None or plain <= within[1] + 3600:
            return plain, ""
        readings.append(plain)
    digits = re.sub(r"\D", "", text)
    if len(digits) >= 6:
        readings.append(int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:6]))
        readings.append(int(digits[:2]) * 60 + int(digits[2:4]))
    if within is not None:
        for reading in readings:
            if within[0] <= reading <= within[1]:
                return float(reading), f"time stamp {text!r} read as {reading:g} s"
    raise ValueError(f"no sensible reading of the time stamp {text!r}")
