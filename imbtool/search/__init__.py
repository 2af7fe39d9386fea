"""Which texts people should read next: those to label, and labels to check."""
