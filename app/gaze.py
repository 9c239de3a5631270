"""Gaze on the command line: options that name it, and the calibration of a webcam."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from app.home import home
from app.telling import Told, out, told
from models.gaze.webcam import degrees_of_screen
from pipeline.sources.gaze import Feed, GazeTrack, open_gaze
from pipeline.sources.gaze.merged import WithGaze
from pipeline.sources.gaze.webcam import calibrate, eye_finder, open_camera, write_calibration
from pipeline.sources.reader import Playhead
from pipeline.sources.source import Source

GazeName = Annotated[
    str | None,
    typer.Option(
        "--gaze",
        help="Where somebody looked: an eye tracker's file, udp://:PORT, lsl:NAME or "
        "webcam[:DEVICE].",
    ),
]
GazeOffset = Annotated[
    float, typer.Option("--gaze-offset", help="Seconds to add to the times in the --gaze file.")
]
GazeSize = Annotated[
    str | None,
    typer.Option("--gaze-size", help="WIDTHxHEIGHT of the picture that gaze in pixels is in."),
]


@dataclass(frozen=True, slots=True)
class Looked:
    """The gaze that goes with a source.

    Attributes:
        named: as the command line names it.
    """

    named: str
    gaze: GazeTrack | Feed

    def check(self, source: str, live: bool, paced: bool) -> None:
        """Raises Told where live gaze has no live picture to go with."""
        if not (isinstance(self.gaze, GazeTrack) or live or paced):
            raise Told(
                f"--gaze {self.named} is live and {source} is not: watch a live source, or a "
                "file with 'watch --paced' while it plays"
            )

    def beside(self, source: Source, playhead: Playhead | None) -> Source:
        """The source with this gaze; ``playhead`` is that of a file which is played."""
        if playhead is None or isinstance(self.gaze, GazeTrack):
            return WithGaze(source, self.gaze)

        def played(moment: float) -> float:
            return playhead.position - (time.monotonic() - moment)

        return WithGaze(source, self.gaze, clock=played)


def looked(name: str | None, offset: float, size: str | None) -> Looked | None:
    """What the options name.

    Raises:
        SourceError, Told: it cannot be had.
    """
    if name is None:
        return None
    whole = re.fullmatch(r"(\d+)x(\d+)", size or "1x1")
    if whole is None:
        raise Told(f"--gaze-size {size} is no size: write WIDTHxHEIGHT, such as 1600x1200")
    pixels = None if size is None else (int(whole[1]), int(whole[2]))
    calibration = home() / "gaze-calibration.json"
    return Looked(name, open_gaze(name, offset=offset, frame_size=pixels, calibration=calibration))


def calibrate_webcam(
    camera: Annotated[
        str, typer.Argument(help="The webcam, by number or name of its device.")
    ] = "0",
    screen_width: Annotated[
        float, typer.Option(min=1.0, help="Width of the screen in centimetres.")
    ] = 50.0,
    distance: Annotated[
        float, typer.Option(min=1.0, help="From the eyes to the screen, in centimetres.")
    ] = 60.0,
) -> None:
    """Calibrate --gaze webcam: look at nine points of the screen, one after the other."""

    def ready(x: float, y: float) -> None:
        row = {0.1: "at the top", 0.5: "half way down", 0.9: "at the bottom"}[y]
        column = {0.1: "left", 0.5: "in the middle", 0.9: "right"}[x]
        out.print(f"Look at the point {row}, {column} ({x:.0%} across, {y:.0%} down)")
        typer.prompt("and press Enter", default="", show_default=False, prompt_suffix=" ")

    with told():
        fitted = calibrate(open_camera(camera), eye_finder(), ready)
        path: Path = home() / "gaze-calibration.json"
        write_calibration(path, fitted)
    degrees = degrees_of_screen(fitted.error, screen_width, distance)
    out.print(
        f"Good to {fitted.error:.1%} of the screen, which is {degrees:.1f} degrees on a screen "
        f"{screen_width:g} cm wide from {distance:g} cm (median over points left out of the fit)."
    )
    if fitted.error > 0.15:
        out.print("That is poor: sit still, look straight at each point, and calibrate again.")
    out.print(f"Kept in {path}; 'watch --gaze webcam' uses it. Play the video over the screen.")
