"""`imbtool merge`: from answers to a profile that trains."""

import json
from pathlib import Path

from batches import LABELS, batch_of, batch_text, write_answers, write_batch
from conftest import Imbtool, write_csv

TEXTS = [
    *(batch_text(f"p{n}", f"threat number {n}: I will find you {n * 7}") for n in range(8)),
    *(batch_text(f"r{n}", f"hello {n}, my order {n * n}", "random") for n in range(8)),
]


def project(folder: Path) -> None:
    rows = [
        {
            "text": f"{'buy now' if n % 2 else 'bill'} {n} {n * 3}",
            "labels": ["billing", "spam"][n % 2],
        }
        for n in range(60)
    ]
    write_csv(folder / "train.csv", rows)
    text = "data: {train: train.csv}\nlabels: {names: [threat]}\ntraining: {epochs: 1}\n"
    (folder / "profile.yaml").write_text(text)
    write_batch(folder / "01", batch_of(TEXTS, LABELS))
    answers = [
        {
            "id": text.id,
            "text": text.cells["text"],
            "labels": "threat" if text.id.startswith("p") else "none",
            "annotator": who,
        }
        for text in TEXTS
        for who in ("anna", "ben")
    ]
    write_answers(folder / "01" / "batch.csv", answers)


def test_merge_shows_what_it_did_and_names_the_next_command(
    tmp_path, monkeypatch, imbtool: Imbtool
):
    monkeypatch.chdir(tmp_path)
    project(tmp_path)
    done = imbtool("merge", "profile.yaml", "01/batch.csv", "-o", "new")
    assert done.exit_code == 0, done.stderr
    for told in ("Answered texts", "added to train", "Agreement of annotators", "anna"):
        assert told in done.stdout
    assert "A search chose 8 of them." in done.stdout
    *_, train, search = done.stderr.splitlines()
    assert train == "next: imbtool train new/profile.yaml"
    assert search.startswith("or look for more: imbtool find new/profile.yaml ")
    assert "wrote train.csv, answers.csv, profile.yaml, merge.json to new/" in done.stderr


def test_json_prints_the_document_alone(tmp_path, monkeypatch, imbtool: Imbtool):
    monkeypatch.chdir(tmp_path)
    project(tmp_path)
    done = imbtool("merge", "profile.yaml", "01/batch.csv", "-o", "new", "--json")
    document = json.loads(done.stdout)
    assert document == json.loads((tmp_path / "new" / "merge.json").read_text())
    assert document["labels"]["threat"]["added"] == {"train": 8}
    assert document["agreement"]["labels"]["threat"]["alpha"]["value"] == 1


def test_all_problems_are_told_at_once(tmp_path, monkeypatch, imbtool: Imbtool):
    monkeypatch.chdir(tmp_path)
    project(tmp_path)
    rows = [
        {"id": "p0", "text": "another text", "labels": "threat"},
        {"id": "nobody", "text": "x", "labels": "threat"},
        {"id": "p1", "text": TEXTS[1].cells["text"], "labels": "thread"},
    ]
    write_answers(tmp_path / "01" / "batch.csv", rows)
    done = imbtool("merge", "profile.yaml", "01/batch.csv", "-o", "new")
    assert done.exit_code == 2
    for told in ("'nobody' (row 2)", "another text", "did you mean 'threat'?"):
        assert told in done.stderr
    assert not (tmp_path / "new").exists()


def test_a_file_without_any_answer_is_refused(tmp_path, monkeypatch, imbtool: Imbtool):
    monkeypatch.chdir(tmp_path)
    project(tmp_path)
    rows = [{"id": text.id, "text": text.cells["text"], "labels": ""} for text in TEXTS]
    write_answers(tmp_path / "01" / "batch.csv", rows)
    done = imbtool("merge", "profile.yaml", "01/batch.csv", "-o", "new")
    assert (done.exit_code, "no answer at all" in done.stderr) == (2, True)


def test_the_merged_profile_trains_at_once(tmp_path, monkeypatch, imbtool: Imbtool):
    monkeypatch.chdir(tmp_path)
    project(tmp_path)
    imbtool("merge", "profile.yaml", "01/batch.csv", "-o", "new")
    done = imbtool("train", "--profile", "new/profile.yaml", "--dry-run")
    assert done.exit_code == 0, done.stderr
    assert "threat" in done.stdout + done.stderr
