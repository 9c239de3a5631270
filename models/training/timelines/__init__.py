"""A generator of timelines with questions about them; see :mod:`.timeline`."""

from models.reasoning.prompt import NOT_SEEN
from models.training.scenes import Asked
from models.training.timelines.timeline import HELD_OUT, TRAINED, Timeline, made

__all__ = ["HELD_OUT", "NOT_SEEN", "TRAINED", "Asked", "Timeline", "made"]
