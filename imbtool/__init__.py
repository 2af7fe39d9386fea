"""Train multi-label text classifiers whose important labels are the rare ones.

The names of `__all__` are for use from Python; what a profile decides they take from a `Profile`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # to type checkers a name that is said twice is a public one
    from imbtool.analysis.analyze import analyze as analyze
    from imbtool.annotation.merge import merge_answers as merge_answers
    from imbtool.config.reader import read_profile as read_profile
    from imbtool.config.schema import Profile as Profile
    from imbtool.data.corpus import read_corpus as read_corpus
    from imbtool.data.partition import split as split
    from imbtool.data.weights import assign_weights as assign_weights
    from imbtool.distillation.distil import distil as distil
    from imbtool.inference.evaluate import evaluate as evaluate
    from imbtool.inference.precision import with_precision as with_precision
    from imbtool.inference.predict import predict as predict
    from imbtool.inference.predictor import Predictor as Predictor
    from imbtool.inference.spark import spark_udf as spark_udf
    from imbtool.search.find import find_texts as find_texts
    from imbtool.search.selection import Wish as Wish
    from imbtool.trained.checkpoint import Checkpoint as Checkpoint
    from imbtool.trained.checkpoint import read_checkpoint as read_checkpoint
    from imbtool.training.run import train as train
    from imbtool.tuning.loop import tune as tune
    from imbtool.version import __version__ as __version__

_HOMES = {
    "__version__": "version",
    "Checkpoint": "trained.checkpoint",
    "Predictor": "inference.predictor",
    "Profile": "config.schema",
    "Wish": "search.selection",
    "analyze": "analysis.analyze",
    "assign_weights": "data.weights",
    "distil": "distillation.distil",
    "evaluate": "inference.evaluate",
    "find_texts": "search.find",
    "merge_answers": "annotation.merge",
    "predict": "inference.predict",
    "read_checkpoint": "trained.checkpoint",
    "read_corpus": "data.corpus",
    "read_profile": "config.reader",
    "spark_udf": "inference.spark",
    "split": "data.partition",
    "train": "training.run",
    "tune": "tuning.loop",
    "with_precision": "inference.precision",
}
__all__ = [name for name in _HOMES if name != "__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used: `imbtool --help` need not wait for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
