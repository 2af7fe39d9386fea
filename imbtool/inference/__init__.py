"""Applying a checkpoint: evaluating it, and predicting tables, lines of text and whole folders."""
