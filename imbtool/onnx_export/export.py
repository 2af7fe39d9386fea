"""From a checkpoint to a folder with an ONNX graph: made, measured, and written if it keeps all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from imbtool.errors import user_error
from imbtool.files.json_text import write_json
from imbtool.files.model_folder import CONFIG, is_file
from imbtool.files.writing import new_folder, require_utf8, sha256, write_text
from imbtool.inference.evaluate import own_split, table_split
from imbtool.onnx_export.document import Candidate, ExportReport
from imbtool.onnx_export.onnx_graph import refuse_code, require_exportable, write_graph
from imbtool.onnx_export.quantize import (
    calibration_batches,
    quantize_blocks,
    quantize_dynamic,
    quantize_static,
)
from imbtool.onnx_export.thresholds import TrainingData, read_training_data, with_new_thresholds
from imbtool.onnx_export.verification import Reference
from imbtool.trained.card import model_card
from imbtool.trained.checkpoint import Checkpoint, checkpoint_folder, read_checkpoint
from imbtool.trained.exported import (
    ONNX,
    OnnxClassifier,
    folder_of_export,
    import_extra,
    open_session,
    processor,
)
from imbtool.trained.metadata import META, ExportMeta, Precision

REPORT = "export.json"
Tell = Callable[[str], None]


@dataclass(frozen=True)
class ExportOptions:
    """What is wanted of an export.

    Attributes:
        int8: whether the graph may have 8-bit numbers.
        data: the table to measure on; None for the run's own validation split.
        accept: whether to write a graph that fails to keep something.
    """

    int8: bool = False
    data: Path | None = None
    accept: bool = False


@dataclass(frozen=True)
class _Graph:
    """A graph that was measured.

    Attributes:
        path: of its file.
        checkpoint: that decides with it, its own thresholds included.
        candidate: what was measured.
    """

    path: Path
    checkpoint: Checkpoint
    candidate: Candidate


def export_checkpoint(
    source: Path, output: Path, options: ExportOptions, tell: Tell
) -> ExportReport:
    """Export a checkpoint to ONNX into a new folder, if the graph keeps what it should.

    Args:
        source: the checkpoint, or the run folder around it.
        output: the folder, which must be new.
        options: what is wanted.
        tell: called with a line of progress now and then.

    Returns:
        What was measured; `written` is None if no graph was good enough, and there is no folder.

    Raises:
        UserError: the checkpoint cannot be exported, the texts to measure on are missing, a package
            is missing, or the folder is there already.
    """
    _require_new(output)
    for package in ("onnx", "onnxscript", "onnxruntime"):
        import_extra(package)
    folder = checkpoint_folder(source)
    refuse_code(folder)
    checkpoint = read_checkpoint(folder)
    require_exportable(checkpoint)
    split = (
        own_split(checkpoint, "validation")
        if options.data is None
        else table_split(checkpoint, options.data)
    )
    data = read_training_data(checkpoint) if options.int8 else None
    reference = Reference(checkpoint, split)
    with TemporaryDirectory() as scratch:
        graphs = list(_graphs(reference, data, Path(scratch), tell))
        best = _best(graphs, options)
        report = _report(reference, graphs, best)
        if best is not None:
            with new_folder(output) as new:
                _fill(new, best, report)
                read_checkpoint(new)
    return report


def _require_new(output: Path) -> None:
    require_utf8(output)
    if output.exists():
        raise user_error(output, "a file or folder of this name", "a new name", "choose another -o")


def _graphs(
    reference: Reference, data: TrainingData | None, scratch: Path, tell: Tell
) -> Iterator[_Graph]:
    """The graph in fp32 and, if it decides as it should, those in 8-bit numbers."""
    checkpoint, fp32 = reference.checkpoint, scratch / "fp32.onnx"
    tell("torch exports the graph")
    write_graph(checkpoint, fp32)
    tell(f"reading {len(reference.split):,} texts with the checkpoint and with the graph")
    same = _with_graph(checkpoint, fp32)
    graph = _Graph(fp32, same, reference.fp32(same, fp32))
    yield graph
    if data is None or graph.candidate.unmet:
        return
    texts, seed = data.corpus.train.texts, data.profile.training.seed
    batches = partial(calibration_batches, checkpoint.text_model, texts, seed)
    ways: dict[Precision, Callable[[Path, Path], None]] = {
        "int8-dynamic": quantize_dynamic,
        "int8-static": lambda source, target: quantize_static(source, target, batches()),
        "int8-blocks": quantize_blocks,
    }
    for precision, quantize in ways.items():
        tell(f"{precision}: quantising, then thresholds on validation, then measuring")
        path = scratch / f"{precision}.onnx"
        quantize(fp32, path)
        kept = _with_graph(checkpoint, path)
        chosen = with_new_thresholds(kept, data)
        yield _Graph(path, *reference.int8(kept, chosen, path, precision))


def _with_graph(checkpoint: Checkpoint, path: Path) -> Checkpoint:
    """A checkpoint with a graph in the place of its model, weights of words included."""
    folder = folder_of_export(checkpoint.folder)
    session = open_session(folder, path.read_bytes())
    model = OnnxClassifier(folder, session, len(checkpoint.labels))
    return replace(
        checkpoint,
        text_model=replace(checkpoint.text_model, model=model, words=None),
        meta=checkpoint.meta.model_copy(update={"words": None}),
    )


def _best(graphs: list[_Graph], options: ExportOptions) -> _Graph | None:
    """The graph to write: of those wanted that keep all, the one that agrees most."""
    wanted = graphs[1:] if options.int8 else graphs
    good = [graph for graph in wanted if not graph.candidate.unmet]
    among = good or (wanted if options.accept else [])
    return max(among, key=lambda graph: graph.candidate.agreement.share, default=None)


def _report(reference: Reference, graphs: list[_Graph], best: _Graph | None) -> ExportReport:
    packages = ("torch", "transformers", "onnx", "onnxscript", "onnxruntime")
    return ExportReport(
        checkpoint=str(reference.checkpoint.folder),
        source=str(reference.split.source),
        split=reference.split.name,
        texts=len(reference.split),
        processor=processor(),
        threads=torch.get_num_threads(),
        versions={package: version(package) for package in packages},
        checkpoint_seconds=reference.measured.seconds,
        candidates=[graph.candidate for graph in graphs],
        written=best.candidate.precision if best else None,
        accepted=bool(best and best.candidate.unmet),
    )


def _fill(folder: Path, graph: _Graph, report: ExportReport) -> None:
    """Write all files of an exported folder."""
    checkpoint = graph.checkpoint
    shutil.copyfile(graph.path, folder / ONNX)
    _save_tokenizer(checkpoint, folder)
    # it tells the kind of tokenizer, and the labels, to those who know transformers
    shutil.copyfile(checkpoint.folder / CONFIG, folder / CONFIG)
    if checkpoint.knn is not None:
        checkpoint.knn.save(folder)
    digests = {
        path.name: sha256(path, "what was just written")
        for path in sorted(folder.iterdir())
        if is_file(path)
    }
    export = ExportMeta(
        precision=graph.candidate.precision, processor=report.processor, accepted=report.accepted
    )
    meta = checkpoint.meta.model_copy(update={"digests": digests, "export": export})
    write_json(folder / META, meta)
    write_json(folder / REPORT, report)
    write_text(folder / "README.md", model_card(meta))


def _save_tokenizer(checkpoint: Checkpoint, folder: Path) -> None:
    """Save the tokenizer, so that the library tokenizers cuts long texts as the model needs it."""
    tokenizer = checkpoint.text_model.tokenizer
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.enable_truncation(checkpoint.text_model.max_length, direction=tokenizer.truncation_side)
    tokenizer.save_pretrained(folder)
