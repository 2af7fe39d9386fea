"""Checks of the data before anyone trains on it."""
