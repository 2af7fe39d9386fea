"""How often intervals, splits, thresholds and suspected label errors are right."""
