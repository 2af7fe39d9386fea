"""A run's folder: its manifest, event log and the state to resume from."""
