"""Offline scoring: question sets of the field, their protocols, trustworthy numbers."""
