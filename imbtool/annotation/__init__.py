"""Which texts to label next, and which annotations to check."""
