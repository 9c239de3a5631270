"""Gaze: from files beside a video, and live from trackers, the pointer and a webcam."""

from pipeline.sources.gaze.files import open_gaze
from pipeline.sources.gaze.track import GazeError, GazeTrack

__all__ = ["GazeError", "GazeTrack", "open_gaze"]
