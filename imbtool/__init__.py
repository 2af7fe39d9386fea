"""Train multi-label text classifiers whose important labels are the rare ones."""

__version__ = "0.1.0"
