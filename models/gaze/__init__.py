"""Gaze: from a tracker's samples to fixations, and from fixations to tokens."""
