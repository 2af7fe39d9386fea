"""Each text is judged by a head that has seen neither it nor its duplicates."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import read_csv, write_csv

from imbtool.analysis.finding import Finding
from imbtool.config.reader import Override, read_profile
from imbtool.config.schema import Profile
from imbtool.data.corpus import read_corpus
from imbtool.errors import UserError
from imbtool.model import tokenize
from imbtool.search import label_errors
from imbtool.search.label_errors import FOLDS, find_label_errors, frozen_features, out_of_fold


def settings(**sets: object) -> Profile:
    overrides = [Override(key.replace("__", "."), str(sets[key]), key) for key in sets]
    return read_profile(Path("profile.yaml"), overrides)


def silent(_: str) -> None:
    """Nobody listens."""


def flip(path: Path, label: str, every: int) -> set[tuple[int, str]]:
    """Take a label from, or give it to, some rows; their places."""
    rows, flipped = read_csv(path), set()
    for number in range(0, len(rows), every):
        labels = set(filter(None, rows[number]["labels"].split("|"))) ^ {label}
        rows[number]["labels"] = "|".join(sorted(labels))
        flipped.add((number, label))
    write_csv(path, rows)
    return flipped


def suspected(profile: Profile) -> Finding:
    (finding,) = find_label_errors(profile, read_corpus(profile), silent)
    return finding


def test_flipped_labels_are_among_the_suspects_more_than_by_chance(project: Path) -> None:
    flipped = flip(project / "train.csv", "violence", 17)
    profile = settings()
    texts = len(read_corpus(profile).train)
    places = [p for p in suspected(profile).found_rows if p.label == "violence"]
    hits = sum((place.index, "violence") in flipped for place in places)
    assert hits / len(places) > 3 * len(flipped) / texts
    assert {place.split for place in places} == {"train"}


def test_the_same_profile_gives_the_same_suspects(project: Path) -> None:
    flip(project / "train.csv", "violence", 17)
    assert suspected(settings()) == suspected(settings())


def test_progress_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_errors, "CHUNK", 64)
    monkeypatch.setattr(label_errors, "LINE_EVERY", 0)
    lines: list[str] = []
    profile = settings()
    find_label_errors(profile, read_corpus(profile), lines.append)
    assert lines[0] == "the encoder has read 64 of 200 texts"
    assert lines[3] == "the encoder has read 200 of 200 texts"
    assert len(lines) == 4 + FOLDS


def test_of_many_texts_a_sample_is_read_which_the_seed_decides(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flip(project / "train.csv", "violence", 17)
    monkeypatch.setattr(label_errors, "SAMPLED_TEXTS", 120)
    profile, lines = settings(), list[str]()
    corpus = read_corpus(profile)
    (found,) = find_label_errors(profile, corpus, lines.append)
    assert lines[0] == "label errors are looked for in a sample of 120 of 200 texts"
    assert found.evidence["sample"] == {"texts": 120, "of": 200}
    assert max(row.index for row in found.found_rows) >= 120
    for row in found.found_rows:
        label = corpus.labels.names.index(str(row.label))
        is_given = corpus.train.targets[row.index, label] == 1
        assert row.detail.startswith("given" if is_given else "missing")
    assert find_label_errors(profile, corpus, silent) == [found]


def test_reading_in_chunks_changes_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = settings()
    corpus = read_corpus(profile)
    whole = frozen_features(profile, corpus.labels.names, corpus.train.texts, silent)
    monkeypatch.setattr(label_errors, "CHUNK", 64)
    parts = frozen_features(profile, corpus.labels.names, corpus.train.texts, silent)
    assert whole.shape == (200, 32)
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-4)


def test_an_encoder_that_is_not_there_is_said(project: Path) -> None:
    profile = settings(model__encoder=project / "nowhere")
    with pytest.raises(UserError, match="nowhere"):
        find_label_errors(profile, read_corpus(profile), silent)


def toy(texts: int = 300) -> tuple[torch.Tensor, np.ndarray]:
    """Features of which the first tells the first label; nothing tells the second."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(texts, 8)).astype(np.float32)
    targets = np.stack([features[:, 0] > 1, rng.random(texts) < 0.2], axis=1)
    return torch.from_numpy(features), targets.astype(np.float32)


def test_probabilities_are_of_texts_that_were_not_seen():
    features, targets = toy()
    probabilities = out_of_fold(features, targets, range(len(targets)), 0, silent)
    given = targets == 1
    means = [[probabilities[rows, label].mean() for rows in (given[:, label], ~given[:, label])]
             for label in (0, 1)]  # fmt: skip
    assert means[0][0] > means[0][1] + 0.5
    assert means[1][0] < means[1][1] + 0.05
    np.testing.assert_allclose(probabilities.mean(axis=0), targets.mean(axis=0), atol=0.03)


def test_a_text_and_its_duplicates_are_in_the_same_fold():
    features, targets = toy(120)
    # the second label is noise: only a copy in training could tell it
    features, targets = features.repeat(4, 1), np.tile(targets, (4, 1))
    features = torch.cat([features, torch.eye(120).repeat(4, 1)], dim=1)

    def told(keys: list[int]) -> float:
        probabilities = out_of_fold(features, targets, keys, 0, silent)[:, 1]
        given = targets[:, 1] == 1
        return float(probabilities[given].mean() - probabilities[~given].mean())

    assert told(list(range(120)) * 4) < 0.05
    assert told(list(range(480))) > 0.2


def test_unknown_targets_take_no_part_and_rare_labels_are_left_out():
    features, targets = toy()
    partly = targets.copy()
    partly[::7, 0] = np.nan
    rare = np.zeros((len(targets), 1), np.float32)
    rare[:3] = 1
    probabilities = out_of_fold(features, np.hstack([partly, rare]), range(300), 0, silent)
    assert np.isfinite(probabilities[:, :2]).all()
    assert np.isnan(probabilities[:, 2]).all()


def test_no_label_to_judge_needs_no_head():
    features, targets = toy()
    assert np.isnan(out_of_fold(features, 0 * targets, range(300), 0, silent)).all()


def test_a_text_that_cannot_be_cut_is_named_by_its_row(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = read_csv(project / "train.csv")
    rows[4]["text"] = "x" * 60_000
    write_csv(project / "train.csv", rows)
    monkeypatch.setattr(tokenize, "MOST_CHARACTERS", 5000)
    with pytest.raises(UserError, match=r"train\.csv: row 5\n.*60,000 characters"):
        find_label_errors(settings(), read_corpus(settings()), silent)
