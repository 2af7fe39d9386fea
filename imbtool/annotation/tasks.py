"""The texts of a batch as the tasks of an annotation tool."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args
from xml.sax.saxutils import quoteattr

from imbtool.annotation.batch import ASK, WHY, Batch, BatchText
from imbtool.errors import user_error
from imbtool.exports.shape import LABELS, TEXT_ID
from imbtool.files.writing import write_text
from imbtool.formats.cells import shown_text
from imbtool.wording import cut

AnnotationTool = Literal["label-studio", "prodigy", "doccano", "argilla"]
TOOLS: tuple[AnnotationTool, ...] = get_args(AnnotationTool)
TEXT = "text"
"""The field of a task's text; several columns stand under each other in it."""
AGENT = "imbtool"
"""Who has suggested the labels of a prefilled task."""
LONGEST = {"doccano": 100, "argilla": 200}
"""Characters that a tool takes of a label's name."""
Files = Mapping[str, str]
"""The content of files by their names."""


def write_tasks(batch: Batch, folder: Path, tool: AnnotationTool) -> list[Path]:
    """Write the texts of a batch as the tasks of a tool.

    Each task holds the id of its text, as the tool's own exports give it back.

    Args:
        batch: whose texts and labels.
        folder: for the files.
        tool: that reads them.

    Returns:
        The files.

    Raises:
        UserError: a label that the tool cannot take, or a file that cannot be written.
    """
    require_labels(batch.labels, tool)
    files = _WRITERS[tool](batch)
    paths = [folder / name for name in files]
    for path, content in zip(paths, files.values(), strict=True):
        write_text(path, content)
    return paths


def require_labels(labels: Iterable[str], tool: AnnotationTool) -> None:
    """Check that a tool takes some labels.

    Raises:
        UserError: one is too long.
    """
    most = LONGEST.get(tool)
    for label in labels:
        if most is not None and len(label) > most:
            found = f"a label of {len(label)} characters, {cut(label, 40)!r}"
            expected = f"{most} characters at most, which {tool} takes"
            raise user_error(f"--format {tool}", found, expected, "use another tool, or batch.csv")


def task_text(text: BatchText) -> str:
    """The text of a task: its columns that are not empty, one under the other."""
    return "\n".join(shown_text(cell) for cell in text.cells.values() if cell.strip())


def _about(text: BatchText) -> dict[str, Any]:
    return {TEXT_ID: text.id, ASK: text.ask, WHY: text.why}


def _label_studio(batch: Batch) -> Files:
    """Tasks in Label Studio's own format, and the labelling configuration of the project."""
    tasks = [_label_studio_task(text) for text in batch.texts]
    return {
        "label-studio-tasks.json": _json_array(tasks),
        "label-studio-config.xml": _label_studio_config(batch.labels),
    }


def _label_studio_task(text: BatchText) -> dict[str, Any]:
    task: dict[str, Any] = {"data": {TEXT: task_text(text), **_about(text)}}
    if text.prefill:
        result = {
            "from_name": LABELS,
            "to_name": TEXT,
            "type": "choices",
            "value": {"choices": text.prefill},
        }
        task["predictions"] = [{"model_version": AGENT, "result": [result]}]
    return task


def _label_studio_config(labels: Iterable[str]) -> str:
    choices = "\n".join(f"    <Choice {_choice(label)}/>" for label in labels)
    return (
        '<View style="white-space: pre-wrap">\n'
        f'  <Text name="{TEXT}" value="${TEXT}"/>\n'
        f'  <Header value="${WHY}" size="5"/>\n'
        f'  <Choices name="{LABELS}" toName="{TEXT}" choice="multiple">\n'
        f"{choices}\n"
        "  </Choices>\n"
        "</View>\n"
    )


def _choice(label: str) -> str:
    """The attributes of a choice; behind a dollar sign Label Studio looks for a field."""
    if "$" not in label:
        return f"value={quoteattr(label)}"
    return f"value={quoteattr(label.replace('$', '＄'))} alias={quoteattr(label)}"


def _prodigy(batch: Batch) -> Files:
    """Questions for the interface `choice`; what is in `accept` is selected at first."""
    options = [{"id": label, "text": label} for label in batch.labels]
    tasks = (
        {
            TEXT: task_text(text),
            **_about(text),
            "options": options,
            **({"accept": text.prefill} if text.prefill else {}),
            "meta": {"id": text.id, WHY: text.why},
        }
        for text in batch.texts
    )
    return {"prodigy-tasks.jsonl": _json_lines(tasks)}


def _doccano(batch: Batch) -> Files:
    """Texts with their labels, and the labels of the project, among them one for none of them."""
    tasks = (
        {TEXT: task_text(text), "label": text.prefill or [], **_about(text)} for text in batch.texts
    )
    labels = [{"text": label} for label in (*batch.labels, batch.answer.none)]
    return {
        "doccano-tasks.jsonl": _json_lines(tasks),
        "doccano-labels.json": _json_array(labels),
    }


def _argilla(batch: Batch) -> Files:
    """Records and settings of Argilla 2, for `Dataset.records.from_json`, `Settings.from_json`."""
    records = [
        {
            "id": text.id,
            "fields": {TEXT: task_text(text)},
            "metadata": _about(text),
            "suggestions": _suggestions(text),
            "responses": {},
            "vectors": {},
        }
        for text in batch.texts
    ]
    settings = json.dumps(_argilla_settings(batch), ensure_ascii=False, indent=2)
    return {
        "argilla-records.json": _json_array(records),
        "argilla-settings.json": f"{settings}\n",
    }


def _argilla_settings(batch: Batch) -> dict[str, Any]:
    """One question, among whose labels is one for none of them: Argilla takes no empty answer.

    Its server refuses metadata that are not declared, unless others are allowed.
    """
    names = (*batch.labels, batch.answer.none)
    options = [{"value": name, "text": name} for name in names]
    question = {"type": "multi_label_selection", "options": options}
    field = {"type": "text", "use_markdown": False}
    return {
        "guidelines": None,
        "fields": [{"name": TEXT, "title": TEXT, "required": True, "settings": field}],
        "questions": [{"name": LABELS, "title": LABELS, "required": True, "settings": question}],
        "allow_extra_metadata": True,
    }


def _suggestions(text: BatchText) -> dict[str, Any]:
    if not text.prefill:
        return {}
    return {LABELS: {"value": text.prefill, "score": None, "agent": AGENT}}


def _json_array(rows: Iterable[object]) -> str:
    return "[\n" + ",\n".join(_json(row) for row in rows) + "\n]\n"


def _json_lines(rows: Iterable[object]) -> str:
    return "".join(f"{_json(row)}\n" for row in rows)


def _json(row: object) -> str:
    return json.dumps(row, ensure_ascii=False)


_WRITERS: dict[AnnotationTool, Callable[[Batch], Files]] = {
    "label-studio": _label_studio,
    "prodigy": _prodigy,
    "doccano": _doccano,
    "argilla": _argilla,
}
