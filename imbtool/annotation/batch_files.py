"""The files of a batch: the document, the table that people fill in, the tasks of a tool."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from imbtool.annotation.answers import ID
from imbtool.annotation.batch import (
    ABOUT,
    ASK,
    BATCH,
    CHOSEN_BY,
    PROBABILITY,
    SCORE,
    SUGGESTED,
    TABLE,
    WHY,
    AnswerColumns,
    Batch,
    BatchText,
)
from imbtool.annotation.tasks import TEXT, AnnotationTool, require_labels, task_text, write_tasks
from imbtool.data.writer import TableWriter
from imbtool.errors import user_error
from imbtool.files.json_text import write_json
from imbtool.files.writing import replacing
from imbtool.formats.cells import neutralised
from imbtool.labels.syntax import joined, needs_list

OURS = (ID, TEXT, *ABOUT)


def write_batch(batch: Batch, folder: Path, tool: AnnotationTool | None = None) -> list[Path]:
    """Write a batch into a folder.

    Args:
        batch: the document.
        folder: that is there.
        tool: whose tasks are written too.

    Returns:
        The files.

    Raises:
        UserError: an answer column has a name that the table needs, or a label that the tool cannot
            take.
    """
    frame = batch_table(batch)
    tasks = write_tasks(batch, folder, tool) if tool else []
    with replacing(folder / TABLE) as draft, TableWriter(draft, ".csv") as writer:
        writer.write(frame)
    write_json(folder / BATCH, batch)
    return [folder / TABLE, folder / BATCH, *tasks]


def require_writable(
    answer: AnswerColumns, labels: Sequence[str], tool: AnnotationTool | None
) -> None:
    """Check that a batch of these labels can be written, before its texts are chosen.

    Raises:
        UserError: an answer column has a name that the table needs, or a label that the tool cannot
            take.
    """
    _answer_names(answer)
    if tool is not None:
        require_labels(labels, tool)


def _answer_names(answer: AnswerColumns) -> list[str]:
    answers = answer.columns or [answer.column or ""]
    if taken := [name for name in answers if name in OURS]:
        fix = "rename the column in the labelled tables and in the profile"
        found = f"the label column {taken[0]!r}, which is a column of a batch too"
        raise user_error("data.labels", found, f"another name than {', '.join(OURS)}", fix)
    return answers


def batch_table(batch: Batch) -> pd.DataFrame:
    """The table that people fill in, safe to open in a spreadsheet.

    Raises:
        UserError: an answer column has a name that the table needs.
    """
    answers = _answer_names(batch.answer)
    suggests = any(text.prefill is not None for text in batch.texts)
    columns = {
        ID: [neutralised(text.id) for text in batch.texts],
        TEXT: [neutralised(task_text(text)) for text in batch.texts],
        **{name: [""] * len(batch.texts) for name in answers},
        **({SUGGESTED: [_suggested(batch, text) for text in batch.texts]} if suggests else {}),
        ASK: [neutralised(_names(batch, text.ask)) for text in batch.texts],
        WHY: [text.why for text in batch.texts],
        SCORE: ["" if text.score is None else f"{text.score:.4g}" for text in batch.texts],
        CHOSEN_BY: [text.chosen_by for text in batch.texts],
        PROBABILITY: [
            "" if text.inclusion_probability is None else f"{text.inclusion_probability:.6g}"
            for text in batch.texts
        ],
    }
    return pd.DataFrame(columns, dtype=object)


def _suggested(batch: Batch, text: BatchText) -> str:
    """What the model suggests, beside the answer: in its place it would pass for one."""
    if text.prefill is None:
        return ""
    return neutralised(_names(batch, text.prefill)) or batch.answer.none


def _names(batch: Batch, names: list[str]) -> str:
    separator = batch.answer.separator
    return joined(names, separator, needs_list(batch.labels, separator))
