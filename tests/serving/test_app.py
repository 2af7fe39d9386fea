"""The routes: decisions of `imbtool predict`, problems as sentences, no text where it may stay."""

import json
import random
import threading
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Imbtool, read_csv
from fastapi.testclient import TestClient

from imbtool.errors import ModelError, Problem
from imbtool.evaluation.calibration import sigmoid
from imbtool.inference.predict import predict
from imbtool.serving.access import Access
from imbtool.serving.app import make_app
from imbtool.serving.batching import Batching
from imbtool.serving.limits import Limits
from imbtool.serving.served_model import ServedModel, load_model
from imbtool.serving.service import Service
from imbtool.trained.checkpoint import read_checkpoint

JSON = {"Content-Type": "application/json"}
SECRET = "secret-8f3a"
TOKEN = "0123456789abcdef0123456789abcdef"
GUARDED = ("/model", "/metrics", "/predict")
LIMITS = Limits(texts=8, characters=2_000, body=20_000, queue=16)
LOCAL = "http://127.0.0.1"
OPEN = ("/", "/docs", "/openapi.json", "/health", "/ready", "/page.js", "/style.css")


@pytest.fixture(scope="module")
def model(trained: Path) -> ServedModel:
    return load_model(trained / "runs" / "first")


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def service(model: ServedModel, log: list[str]) -> Iterator[Service]:
    running = Service(model, LIMITS, Batching(texts=4, wait=0.0), log.append)
    yield running
    running.batcher.close()
    running.batcher.join()


@pytest.fixture
def client(service: Service) -> TestClient:
    """Of a server that asks for no token; what it raises comes back as a status."""
    app = make_app(service, Access(None))
    return TestClient(app, base_url=LOCAL, raise_server_exceptions=False)


def texts_of(project: Path, count: int) -> list[str]:
    return [row["text"] for row in read_csv(project / "test.csv")[:count]]


def test_one_text_has_the_probabilities_of_predict_to_the_last_bit(
    client: TestClient, trained: Path
) -> None:
    checkpoint = read_checkpoint(trained / "runs" / "first")
    calibration = checkpoint.meta.calibration
    assert calibration is not None
    for text in texts_of(trained, 20):
        logits = checkpoint.logits([text])
        for query, shown in (("", sigmoid), ("?calibrated=true", calibration.probabilities)):
            (result,) = client.post(f"/predict{query}", json={"texts": [text]}).json()["results"]
            assert list(result["probabilities"]) == list(checkpoint.labels.names)
            assert list(result["probabilities"].values()) == shown(logits)[0].tolist()


def test_texts_get_the_labels_that_predict_gives_them(
    client: TestClient, trained: Path, tmp_path: Path
) -> None:
    rows = read_csv(trained / "test.csv")
    frame = pd.concat(predict(read_checkpoint(trained / "runs" / "first"), trained / "test.csv"))
    answers = [
        client.post("/predict", json={"texts": [row["text"] for row in rows[start : start + 8]]})
        for start in range(0, len(rows), 8)
    ]
    results = [result for answer in answers for result in answer.json()["results"]]
    assert ["|".join(result["labels"]) for result in results] == frame["predicted"].tolist()
    assert any(result["labels"] for result in results)
    for label in read_checkpoint(trained / "runs" / "first").labels.names:
        served = [result["probabilities"][label] for result in results]
        np.testing.assert_allclose(served, frame[f"p:{label}"], rtol=0, atol=1e-6)


def test_an_answer_names_the_model(client: TestClient, model: ServedModel) -> None:
    answer = client.post("/predict", json={"texts": ["a knife"]}).json()
    assert answer["model"] == {"name": "first", "sha256": model.name.sha256}
    assert answer["model"] == client.get("/model").json()["model"]


def test_the_model_tells_card_thresholds_hierarchy_and_limits(
    client: TestClient, trained: Path
) -> None:
    told = client.get("/model").json()
    folder = trained / "runs" / "first" / "checkpoint"
    meta = json.loads((folder / "imbtool.json").read_text())
    assert {name: (each["threshold"], each["parent"]) for name, each in told["labels"].items()} == {
        name: (each["threshold"], each["parent"]) for name, each in meta["labels"].items()
    }
    assert told["coherence"] == meta["coherence"]
    assert told["card"] == (folder / "README.md").read_text()
    assert told["limits"] == {"texts": 8, "characters": 2000, "body": 20000, "queue": 16}
    assert told["calibrated"] is True


def test_a_model_without_calibration_says_so(
    client: TestClient, service: Service, model: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = {
        name: label.model_copy(update={"slope": None, "bias": None})
        for name, label in model.checkpoint.meta.labels.items()
    }
    monkeypatch.setitem(model.checkpoint.meta.__dict__, "labels", plain)
    answer = client.post("/predict?calibrated=true", json={"texts": ["a"]})
    assert (answer.status_code, "no calibration" in answer.json()["detail"]) == (422, True)
    assert client.get("/model").json()["calibrated"] is False
    assert client.post("/predict", json={"texts": ["a"]}).status_code == 200


class Failing:
    """Stands for a checkpoint whose model fails on some texts."""

    def __init__(self, model: ServedModel, error: BaseException | float) -> None:
        self.checkpoint, self.error = model.checkpoint, error

    def logits(self, texts: Sequence[str]) -> Any:
        logits = self.checkpoint.text_model.logits(texts).astype(np.float64)
        bad = [place for place, text in enumerate(texts) if SECRET in text]
        if bad and isinstance(self.error, BaseException):
            raise self.error
        if bad and isinstance(self.error, float):
            logits[bad] = self.error
        return logits


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused_and_decides_nothing(
    client: TestClient, model: ServedModel, monkeypatch: pytest.MonkeyPatch, number: float
) -> None:
    failing = Failing(model, number)
    kind = type(model.checkpoint)
    monkeypatch.setattr(kind, "_logits", lambda _, texts: failing.logits(texts))
    answer = client.post("/predict", json={"texts": ["a", f"b {SECRET}"]})
    assert answer.status_code == 422
    assert answer.json() == {
        "detail": "The model cannot predict texts[1]: it has a logit that is no finite number."
    }
    assert client.post("/predict", json={"texts": ["a"]}).status_code == 200


def test_a_failure_of_the_model_is_no_secret_of_the_server_and_quotes_no_text(
    client: TestClient, model: ServedModel, monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    failing = Failing(model, ValueError(f"cannot read {SECRET}"))
    kind = type(model.checkpoint)
    monkeypatch.setattr(kind, "_logits", lambda _, texts: failing.logits(texts))
    answers: dict[str, Any] = {}

    def ask(text: str) -> None:
        answers[text] = client.post("/predict", json={"texts": [text]})

    asking = [threading.Thread(target=ask, args=(text,)) for text in ("a", SECRET, "b", "c")]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert {text: each.status_code for text, each in answers.items()} == {
        "a": 200,
        SECRET: 503,
        "b": 200,
        "c": 200,
    }
    assert SECRET not in answers[SECRET].text
    assert "ValueError" in "".join(log) and SECRET not in "".join(log)


def test_an_exported_model_that_cannot_be_computed_is_no_fault_of_the_text(
    client: TestClient, model: ServedModel, monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    error = ModelError(Problem("model", f"model.onnx: {SECRET}", "a graph", "export it again"))
    error.__cause__ = MemoryError(SECRET)
    failing = Failing(model, error)
    monkeypatch.setattr(type(model.checkpoint), "_logits", lambda _, texts: failing.logits(texts))
    answer = client.post("/predict", json={"texts": [SECRET]})
    assert (answer.status_code, SECRET in answer.text) == (503, False)
    assert "MemoryError" in "".join(log) and SECRET not in "".join(log)


def test_health_and_readiness_differ_once_the_server_stops(
    client: TestClient, service: Service
) -> None:
    assert [client.get(path).status_code for path in ("/health", "/ready")] == [200, 200]
    service.batcher.close()
    assert [client.get(path).status_code for path in ("/health", "/ready")] == [200, 503]
    refused = client.post("/predict", json={"texts": ["a"]})
    assert (refused.status_code, "stopping" in refused.json()["detail"]) == (503, True)


def test_a_full_queue_is_refused_with_its_limit(client: TestClient, service: Service) -> None:
    service.batcher._open_texts += 15
    answer = client.post("/predict", json={"texts": ["a", "b"]})
    service.batcher._open_texts -= 15
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    assert "16 texts" in answer.json()["detail"]


def test_metrics_count_requests_and_labels_and_hold_no_text(client: TestClient) -> None:
    answer = client.post("/predict", json={"texts": [f"stupid knife {SECRET}", "a"]}).json()
    client.get(f"/{SECRET}")
    client.post("/predict", content=SECRET, headers=JSON)
    text = client.get("/metrics").text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines['imbtool_requests_total{path="/predict",status="200"}'] == "1.0"
    assert lines['imbtool_requests_total{path="/predict",status="400"}'] == "1.0"
    assert lines['imbtool_requests_total{path="other",status="404"}'] == "1.0"
    assert lines["imbtool_texts_total"] == "2.0"
    for label in answer["results"][0]["probabilities"]:
        count = sum(label in result["labels"] for result in answer["results"])
        assert lines[f'imbtool_labels_total{{label="{label}"}}'] == f"{count:.1f}"
    assert SECRET not in text


def test_pages_load_nothing_from_elsewhere(client: TestClient) -> None:
    for path in ("/", "/docs", "/page.js", "/style.css"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "https://" not in answer.text and "//cdn" not in answer.text


def test_the_reference_names_each_route_and_status(client: TestClient) -> None:
    page, described = client.get("/docs").text, client.get("/openapi.json").json()["paths"]
    assert set(described) == {"/predict", "/health", "/ready", "/model", "/metrics"}
    for path, methods in described.items():
        for method, operation in methods.items():
            assert f"<code>{method.upper()} {path}</code>" in page
            assert operation["summary"].replace("'", "&#39;") in page
    assert set(described["/predict"]["post"]["responses"]) >= {"200", "413", "422", "429", "503"}


def guarded(service: Service) -> TestClient:
    app = make_app(service, Access(TOKEN))
    return TestClient(app, base_url="http://models.example", raise_server_exceptions=False)


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}"],
)
@pytest.mark.parametrize("path", GUARDED)
def test_without_the_token_nothing_of_the_model_is_told(
    service: Service, path: str, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}
    method = "POST" if path == "/predict" else "GET"
    answer = guarded(service).request(method, path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_with_the_token_all_is_open_and_pages_are_without_it(service: Service) -> None:
    client = guarded(service)
    headers = {"Authorization": f"bearer {TOKEN}"}
    assert client.post("/predict", json={"texts": ["a"]}, headers=headers).status_code == 200
    assert [client.get(path, headers=headers).status_code for path in GUARDED[:2]] == [200, 200]
    assert {client.get(path).status_code for path in OPEN} == {200}
    assert all("threats" not in client.get(path).text for path in OPEN)


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8000", 200), ("127.0.0.1", 200), ("[::1]:9", 200), ("evil.example", 421)],
)
def test_without_a_token_only_local_names_are_answered(
    client: TestClient, host: str, status: int
) -> None:
    assert client.get("/model", headers={"Host": host}).status_code == status


MADE = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"0",
    b'{"texts": null}',
    b'{"texts": {}}',
    b'{"texts": []}',
    b'{"texts": [[]]}',
    b'{"texts": [1e400]}',
    b'{"texts": [-Infinity]}',
    b'{"texts": ["\\udfff\\ud800"]}',
    b'{"texts": ["\\u0000"]}',
    b'{"texts": [' + b"9" * 5000 + b"]}",
    b"[" * 20_000,
    b'{"a":' * 4_000,
    b'{"texts": ["a"]}' * 2,
    b"\xef\xbb\xbf" + b'{"texts": ["a"]}',
    '{"texts": ["a"]}'.encode("utf-16"),
    b'{"texts": ["' + b"x" * 3_000 + b'"]}',
    b'{"texts": ["' + b"x" * 30_000 + b'"]}',
    json.dumps({"texts": ["x"] * 9}).encode(),
]
VALUES = [None, 0, -1, 1e308, True, "", "x", SECRET, "\ud800", "\x1f", [], {}, ["x"], [["x"]]]
TYPES = ["application/json"] * 6 + ["text/plain", "application/json; charset=x", "", "é"]


def malformed(seed: int, count: int) -> Iterator[tuple[bytes, str]]:
    """Bodies that are not what they should be, or hardly; with content types."""
    rng = random.Random(seed)
    yield from ((body, "application/json") for body in MADE)
    for _ in range(count - len(MADE)):
        texts = [rng.choice(VALUES) for _ in range(rng.randint(0, 10))]
        key = rng.choice(["texts", "texts", "text", SECRET])
        body = bytearray(
            json.dumps({key: texts}, ensure_ascii=rng.random() < 0.9).encode(errors="surrogatepass")
        )
        for _ in range(rng.choice([0, 0, 1, 3])):
            at = rng.randrange(len(body))
            way = rng.randrange(3)
            if way == 0:
                body[at] = rng.randrange(256)
            elif way == 1:
                del body[at : at + rng.randint(1, 9)]
                body = body or bytearray(b"x")
            else:
                body[at:at] = rng.choice([b"NaN", b"{", b"]", b'"', b"\\ud83d", b"\x00", b"\xff"])
        yield bytes(body), rng.choice(TYPES)


def test_three_hundred_malformed_bodies_are_refused_in_words(
    client: TestClient, log: list[str]
) -> None:
    statuses = []
    for body, kind in malformed(seed=0, count=300):
        answer = client.post("/predict", content=body, headers={"Content-Type": kind.encode()})
        statuses.append(answer.status_code)
        assert SECRET not in answer.text
        if answer.status_code == 200:
            texts = json.loads(body)["texts"]
            assert len(answer.json()["results"]) == len(texts)
            assert all(isinstance(text, str) for text in texts)
        else:
            assert 400 <= answer.status_code < 500, (body[:200], kind)
            assert answer.json()["detail"].endswith(".")
    assert {200, 400, 413, 415, 422} <= set(statuses)
    assert log == []


def test_other_methods_and_paths_are_refused(client: TestClient) -> None:
    assert client.get("/predict").status_code == 405
    assert client.post("/model", json={}).status_code == 405
    assert client.get("/..%2f..%2fetc/passwd").status_code == 404


def test_the_extra_is_asked_for_where_it_is_missing(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the package's name `serve` is the command
    monkeypatch.setattr(import_module("imbtool.cli.serve"), "find_spec", lambda name: None)
    result = imbtool("serve", "runs/first")
    assert result.exit_code == 2
    assert result.stderr.count("error: ") == 1
    assert "pip install 'imbtool[serve]'" in result.stderr
