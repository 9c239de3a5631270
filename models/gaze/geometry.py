"""Angles between points of regard, from the field of view of the scene camera."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FieldOfView:
    """What a camera (or a screen at some distance) covers, in degrees of visual angle.

    The picture is taken as a pinhole projection, each axis on its own; wide lenses distort,
    so angles near the border of an uncorrected picture are approximate.

    Raises:
        ValueError: an angle is not between 0 and 180 degrees.
    """

    horizontal: float
    vertical: float

    def __post_init__(self) -> None:
        if not (0 < self.horizontal < 180 and 0 < self.vertical < 180):
            raise ValueError(
                f"a field of view of {self.horizontal} x {self.vertical} degrees is not possible; "
                "each angle must lie between 0 and 180"
            )

    @cached_property
    def _half(self) -> tuple[float, float]:
        return (
            math.tan(math.radians(self.horizontal / 2)),
            math.tan(math.radians(self.vertical / 2)),
        )

    def direction(self, x: float, y: float) -> tuple[float, float]:
        """Degrees right of and below the optical axis of a point in normalised coordinates."""
        half_x, half_y = self._half
        return (
            math.degrees(math.atan((2 * x - 1) * half_x)),
            math.degrees(math.atan((2 * y - 1) * half_y)),
        )

    def position(
        self, across: NDArray[np.float64], down: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Normalised coordinates of directions in degrees: the inverse of :meth:`direction`."""
        half_x, half_y = self._half
        return (
            (np.tan(np.radians(across)) / half_x + 1) / 2,
            (np.tan(np.radians(down)) / half_y + 1) / 2,
        )

    def angle(self, x: float, y: float, other_x: float, other_y: float) -> float:
        """Degrees between two points in normalised image coordinates."""
        half_x, half_y = self._half
        ax, ay = (2 * x - 1) * half_x, (2 * y - 1) * half_y
        bx, by = (2 * other_x - 1) * half_x, (2 * other_y - 1) * half_y
        # atan2 of cross and dot keeps its precision for small angles, where acos loses it.
        cross = math.hypot(ay - by, bx - ax, ax * by - ay * bx)
        return math.degrees(math.atan2(cross, ax * bx + ay * by + 1))

    def angles(
        self, x: NDArray[np.float64], y: NDArray[np.float64], other_x: float, other_y: float
    ) -> NDArray[np.float64]:
        """:meth:`angle` for arrays that broadcast together, to one point."""
        half_x, half_y = self._half
        ax, ay = (2 * x - 1) * half_x, (2 * y - 1) * half_y
        bx, by = (2 * other_x - 1) * half_x, (2 * other_y - 1) * half_y
        cross = np.sqrt((ay - by) ** 2 + (bx - ax) ** 2 + (ax * by - ay * bx) ** 2)
        return np.degrees(np.arctan2(cross, ax * bx + ay * by + 1))


NEON = FieldOfView(103, 77)
"""Scene camera of Pupil Labs Neon, 1600 x 1200 pixels at 30 frames a second, as its maker's
technical specification gives it."""
