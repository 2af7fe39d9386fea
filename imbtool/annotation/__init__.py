"""A batch of texts on its way to people and back: its files, their answers, the merged tables."""
