"""The tuning guide follows itself: diagnose, change the profile, train again, keep or undo."""
