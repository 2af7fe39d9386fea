"""A state is taken up whole and as it was written, or refused with the file and the key."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from imbtool.distributed.collectives import Ranks
from imbtool.errors import UserError
from imbtool.runs.state import PROGRESS, TENSORS, load_state, save_state
from imbtool.runs.state_check import Progress, RunLength

RANKS = Ranks(SimpleNamespace(process_index=0, num_processes=1))
EXTENT = RunLength(epochs=3, batches=10, batch_size=8)
LABEL = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 3}
BEST = {
    "event": "epoch",
    "epoch": 1,
    "step": 10,
    "train_loss": 0.5,
    "validation_loss": 0.5,
    "f1_macro": 0.5,
    "average_precision_macro": 0.5,
    "best": True,
    "labels": {"rare": LABEL},
}
PLACE = {"epoch": 2, "batch": 3, "step": 13, "loss": 4.5, "texts": 24, "averaged": 2, "best": BEST}
Tensors = dict[str, Tensor]


def made() -> tuple[nn.Module, torch.optim.AdamW]:
    """A model whose last layer is not trained and whose bias has had no gradient."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1, bias=False))
    model[1].weight.requires_grad_(False)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], fused=True)
    return model, optimizer


@pytest.fixture
def link(tmp_path: Path) -> Path:
    """A saved state."""
    model, optimizer = made()
    model[0].weight.grad = torch.ones(2, 3)
    optimizer.step()
    average = {f"0.{name}": torch.zeros_like(p) for name, p in model[0].named_parameters()}
    save_state(tmp_path / "last", model, optimizer, average, Progress(**PLACE), RANKS)
    return tmp_path / "last"


def load(link: Path, extent: RunLength | None = EXTENT) -> tuple[nn.Module, Any, Tensors, Progress]:
    model, optimizer = made()
    average: Tensors = {}
    return model, optimizer, average, load_state(link, model, optimizer, average, RANKS, extent)


def test_what_was_saved_is_loaded(link: Path) -> None:
    model, optimizer, average, progress = load(link)
    saved = load_file(link / TENSORS)
    assert torch.equal(model[0].weight, saved["model.0.weight"])
    assert {*optimizer.state[model[0].weight]} == {"step", "exp_avg", "exp_avg_sq"}
    assert model[0].bias not in optimizer.state
    assert {*average} == {"0.weight", "0.bias"}
    assert progress == Progress(**PLACE)


def test_a_state_of_an_earlier_version_is_loaded(link: Path) -> None:
    saved = load_file(link / TENSORS)
    del saved[PROGRESS]
    save_file(saved, link / TENSORS)
    document = json.loads((link / PROGRESS).read_text())
    del document["sha256"]
    (link / PROGRESS).write_text(json.dumps(document))
    assert load(link)[3] == Progress(**PLACE)


def refused(link: Path, where: str, extent: RunLength | None = EXTENT) -> None:
    """See that a state is refused, and that nothing of it was taken up."""
    model, optimizer = made()
    average: Tensors = {}
    random = torch.get_rng_state()
    before = [parameter.clone() for parameter in model.parameters()]
    with pytest.raises(UserError) as raised:
        load_state(link, model, optimizer, average, RANKS, extent)
    (problem,) = raised.value.problems
    assert problem.where == where
    assert all(map(torch.equal, before, model.parameters()))
    assert (average, dict(optimizer.state)) == ({}, {})
    assert torch.equal(torch.get_rng_state(), random)


STEP, FIRST, SECOND = (f"optimizer.{key}.0.weight" for key in ("step", "exp_avg", "exp_avg_sq"))


@pytest.mark.parametrize("is_old", [False, True], ids=["now", "of an earlier version"])
@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("model.0.weight", torch.zeros(1)),
        ("model.0.weight", torch.zeros(3, 2)),
        ("model.0.weight", torch.zeros(2, 3, dtype=torch.float64)),
        ("model.0.weight", torch.full((2, 3), torch.nan)),
        ("model.1.weight", None),
        ("average.0.bias", None),
        ("average.0.bias", torch.zeros(1)),
        ("average.1.weight", torch.zeros(1, 2)),
        (STEP, None),
        (STEP, torch.zeros(1)),
        (STEP, torch.tensor(-1.0)),
        (FIRST, None),
        (FIRST, torch.full((2, 3), torch.inf)),
        (SECOND, torch.full((2, 3), -1.0)),
        ("optimizer.max_exp_avg_sq.0.weight", torch.zeros(2, 3)),
        ("optimizer.exp_avg.1.weight", torch.zeros(1, 2)),
        ("random.cpu", None),
        ("random.cpu", torch.zeros(5056, dtype=torch.uint8)),
        ("random.cpu", torch.zeros(0, 5056, dtype=torch.uint8)),
        ("other", torch.zeros(1)),
    ],
    ids=str,
)
def test_a_tensor_that_is_not_the_runs_is_refused(
    name: str, tensor: Tensor | None, is_old: bool, link: Path
) -> None:
    saved = load_file(link / TENSORS)
    saved.pop(name, None)
    if tensor is not None:
        saved[name] = tensor
    if is_old:
        del saved[PROGRESS]
    save_file(saved, link / TENSORS)
    refused(link, f"{link / TENSORS}: {name}")


def without_moments(saved: Tensors) -> None:
    for name in (STEP, FIRST, SECOND):
        del saved[name]


@pytest.mark.parametrize(
    "change", [without_moments, lambda saved: saved["model.0.weight"].add_(1.0)]
)
def test_tensors_that_could_be_the_runs_and_are_not_those_that_were_saved_are_refused(
    change: Callable[[Tensors], object], link: Path
) -> None:
    saved = load_file(link / TENSORS)
    change(saved)
    save_file(saved, link / TENSORS)
    refused(link, str(link / TENSORS))


def test_a_file_that_is_none_of_tensors_is_refused(link: Path) -> None:
    (link / TENSORS).write_bytes(b"\xff" * 100)
    refused(link, str(link / TENSORS))


@pytest.mark.parametrize("extent", [EXTENT, None], ids=["the same", "allowed to have changed"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("batch", 10**6),
        ("batch", 4),
        ("batch", -1),
        ("batch", "3"),
        ("batch", True),
        ("epoch", 0),
        ("epoch", 3),
        ("epoch", None),
        ("step", 12),
        ("step", 1e1),
        ("loss", "nan"),
        ("loss", -0.5),
        ("texts", 25),
        ("texts", [24]),
        ("averaged", 99),
        ("averaged", 0),
        ("skipped", 1),
        ("best", None),
        ("best", "the first"),
        ("sha256", None),
        ("sha256", "00"),
        ("other", 1),
    ],
)
def test_a_number_that_is_not_the_runs_is_refused(
    key: str, value: object, extent: RunLength | None, link: Path
) -> None:
    document = json.loads((link / PROGRESS).read_text())
    (link / PROGRESS).write_text(json.dumps({**document, key: value}))
    with pytest.raises(UserError) as raised:
        load(link, extent)
    assert raised.value.problems[0].where.startswith(str(link))


@pytest.mark.parametrize(
    ("key", "value"),
    [("epoch", 2), ("epoch", "2"), ("best", "yes"), ("labels", {"rare": {"support": 1}})],
)
def test_the_best_epoch_is_an_event(key: str, value: object, link: Path) -> None:
    document = json.loads((link / PROGRESS).read_text())
    document["best"][key] = value
    (link / PROGRESS).write_text(json.dumps(document))
    with pytest.raises(UserError, match=r"progress\.json: best[.:]"):
        load(link)


@pytest.mark.parametrize("content", [b"null", b"[]", b"{}", b"{", b"\xff", b"[" * 10**5])
def test_a_progress_that_is_none_is_refused(content: bytes, link: Path) -> None:
    (link / PROGRESS).write_bytes(content)
    with pytest.raises(UserError, match=r"progress\.json"):
        load(link)


def test_a_state_that_is_gone_is_to_be_restored(link: Path) -> None:
    (link / TENSORS).unlink()
    with pytest.raises(
        UserError, match=r"no saved state(.*\n)+.*restore it, or start the run anew"
    ):
        load(link)
