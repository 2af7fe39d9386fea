"""Numbers that can be believed: metrics, thresholds, calibration. NumPy only."""
