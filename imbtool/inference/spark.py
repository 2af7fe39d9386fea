"""A checkpoint as a function of columns for Spark, which calls it in Python processes of its own.

Spark sends the function anew to each task, but keeps its processes: the model stays in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import torch

from imbtool.errors import user_error
from imbtool.files.writing import sha256
from imbtool.inference.predict import predicted_labels
from imbtool.inference.predictor import Predictor
from imbtool.trained.metadata import META
from imbtool.wording import counted

if TYPE_CHECKING:
    from pyspark.sql._typing import UserDefinedFunctionLike

WHERE = "spark_udf"


def spark_udf(
    checkpoint: Path | str,
    probabilities: bool = False,
    calibrated: bool = False,
    trust_remote_code: bool = False,
) -> UserDefinedFunctionLike:
    """A function of Spark columns that labels texts as `imbtool predict` does.

    Its arguments are the text columns of the training tables, in their order. It returns a struct
    with `labels`, a list of names, and, if asked for, `probabilities`, a map from the name of each
    label. Each Python process loads the model once and computes in one thread, since Spark has a
    process for each core.

    Args:
        checkpoint: its folder, or the run folder around it, by a path that all machines have.
        probabilities: whether to return them too.
        calibrated: whether they are calibrated; `labels` are the same either way.
        trust_remote_code: whether to run code that comes with the model.

    Raises:
        UserError: pyspark 4.1 or later is not installed, there is no checkpoint, or calibration is
            requested and the checkpoint has none.

    Examples:
        >>> from imbtool import spark_udf
        >>> label = spark_udf("runs/first", probabilities=True)
        >>> label.returnType.names  # table.withColumn("predicted", label("text"))
        ['labels', 'probabilities']
    """
    try:
        from pyspark.sql import types
        from pyspark.sql.functions import arrow_udf  # type: ignore[attr-defined]
    except ImportError:
        fix = "pip install 'imbtool[spark]'"
        raise user_error(WHERE, "no package pyspark", "its version 4.1 or later", fix) from None
    folder = Predictor(checkpoint, None, calibrated).folder
    digest = sha256(folder / META, "what tells checkpoints apart")
    load = partial(_predictor, folder, digest, calibrated, trust_remote_code)
    returned = types.StructType().add("labels", types.ArrayType(types.StringType()))
    if probabilities:
        returned.add("probabilities", types.MapType(types.StringType(), types.DoubleType()))

    def predicted(*columns: pa.Array) -> pa.Array:
        return _structs(load(), columns, probabilities)

    # not pandas_udf: Spark 4.3 does not fully support pandas 3
    made: UserDefinedFunctionLike = arrow_udf(predicted, returned)
    return made


@lru_cache
def _predictor(folder: Path, _digest: str, calibrated: bool, trust_remote_code: bool) -> Predictor:
    """What a process of Spark keeps; the digest tells a later checkpoint at the same path apart."""
    torch.set_num_threads(1)
    return Predictor(folder, None, calibrated, trust_remote_code)


def _structs(predictor: Predictor, columns: Sequence[pa.Array], probabilities: bool) -> pa.Array:
    """The structs [n] for text columns [n]."""
    if len(columns) != len(predictor.text):
        expected, fix = f"the text columns {predictor.text}", "give them in this order"
        raise user_error(WHERE, counted(len(columns), "column"), expected, fix)
    texts = pa.table([*columns], predictor.text).to_pandas(types_mapper=pd.ArrowDtype)
    logits = predictor.logits(texts)
    fields = {"labels": pa.array(predicted_labels(predictor.meta, logits), pa.list_(pa.string()))}
    if probabilities:
        names, shown = predictor.meta.label_set.names, predictor.shown(logits)
        fields["probabilities"] = pa.MapArray.from_arrays(
            range(0, shown.size + 1, len(names)),
            pa.array(names * len(shown), pa.string()),
            pa.array(shown.ravel(), pa.float64()),
        )
    return pa.StructArray.from_arrays(fields.values(), fields.keys())
