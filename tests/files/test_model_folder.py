"""Folders of others: which files count, and what libraries raise is one message."""

import json
import os
import sys
from pathlib import Path

import pytest

from imbtool.errors import UserError
from imbtool.files.model_folder import INDEX, VOCABULARY, WEIGHTS, Folder, said


def folder_of(path: Path) -> Folder:
    return Folder(str(path), "model.encoder: x", "a folder", "check it", "read its code")


def write_index(path: Path, *files: object) -> None:
    weights = {f"tensor.{number}": file for number, file in enumerate(files)}
    (path / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weights}))


def test_the_weights_are_in_one_file(tmp_path: Path) -> None:
    (tmp_path / WEIGHTS).touch()
    write_index(tmp_path, "other.safetensors")
    assert folder_of(tmp_path).weight_files() == [tmp_path / WEIGHTS]


def test_or_in_those_that_the_index_names(tmp_path: Path) -> None:
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    for name in names:
        (tmp_path / name).touch()
    write_index(tmp_path, *names[::-1], *names)
    assert folder_of(tmp_path).weight_files() == [tmp_path / name for name in names]


@pytest.mark.parametrize(
    "name",
    [
        "../outside.safetensors",
        "/outside.safetensors",
        "below/a.safetensors",
        "..\\outside.safetensors",
        "pytorch_model.bin",
        "missing.safetensors",
        ".safetensors",
        "a\x00.safetensors",
        "",
        None,
        7,
        ["a.safetensors"],
    ],
)
def test_an_index_names_plain_files_beside_it_alone(name: object, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "below").mkdir(parents=True)
    for path in ("pytorch_model.bin", "below/a.safetensors", "../outside.safetensors"):
        (folder / path).touch()
    write_index(folder, name)
    with pytest.raises(UserError, match=INDEX):
        folder_of(folder).check_files()


@pytest.mark.parametrize(
    "content", ["null", "[]", "{}", '{"weight_map": []}', "{", '{"weight_map": {}}']
)
def test_an_index_of_another_shape_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text(content)
    with pytest.raises(UserError, match=INDEX):
        folder_of(tmp_path).check_files()


def test_a_pickle_is_never_read(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(UserError, match="pickle, which is never read"):
        folder_of(tmp_path).check_files()


@pytest.mark.parametrize(
    "name", ["shard-00000-model-00001-of-00001.safetensors", "adapter_config.json"]
)
def test_files_that_lead_to_other_weights_are_refused(name: str, tmp_path: Path) -> None:
    for each in (name, WEIGHTS):
        (tmp_path / each).touch()
    with pytest.raises(UserError, match=name):
        folder_of(tmp_path).check_files()


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "added_tokens.json"])
@pytest.mark.parametrize("content", ["null", "[1]", '"a"', "{", '{"a":' * 100_000])
def test_a_file_that_holds_no_object_is_named(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / WEIGHTS).touch()
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=name):
        folder_of(tmp_path).check_files()


def test_a_hub_id_has_no_files_yet() -> None:
    for name in ("owner/name", "x" * 5000, "a\x00b"):
        assert folder_of(Path(name)).weight_files() == []
        folder_of(Path(name)).check_files()


class PanicException(BaseException):
    """As those of pyo3, which each extension module makes for itself."""


@pytest.mark.parametrize(
    "error",
    [KeyError(), TypeError("a"), PanicException("b"), AssertionError(""), RecursionError("c")],
)
def test_what_a_library_raises_is_one_message(error: BaseException, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="config") as refused, folder_of(tmp_path).calls("config"):
        raise error
    assert type(error).__name__ in str(refused.value)
    assert refused.value.__cause__ is error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), MemoryError()])
def test_what_ends_the_program_is_passed_on(error: BaseException, tmp_path: Path) -> None:
    with pytest.raises(type(error)), folder_of(tmp_path).calls("config"):
        raise error


def test_what_a_library_prints_is_no_data(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sys.stdout.write("data\n")
    with folder_of(tmp_path).calls("tokenizer.json"):
        os.write(1, b"by Rust\n")
        sys.stdout.write("by Python\n")
    sys.stdout.write("more data\n")
    assert capfd.readouterr() == ("data\nmore data\n", "by Rust\nby Python\n")


def test_code_that_is_not_trusted_has_its_own_remedy(tmp_path: Path) -> None:
    error = ValueError("long\nuse trust_remote_code=True")
    with pytest.raises(UserError, match="read its code"), folder_of(tmp_path).calls("config"):
        raise error


def test_a_message_is_one_line_of_bounded_length() -> None:
    assert said(ValueError("\n first \nsecond")) == "first"
    assert said(TypeError("first:\nsecond\nthird")) == "TypeError: first: second"
    assert said(ValueError("")) == "ValueError"
    assert len(said(ValueError("x" * 9999))) < 500


@pytest.mark.parametrize("number", [True, False, 1.0, "1", None, [1]])
def test_tokens_have_whole_numbers(number: object, tmp_path: Path) -> None:
    (tmp_path / VOCABULARY).write_text(json.dumps({"model": {"vocab": {"a": 0, "often": number}}}))
    with pytest.raises(UserError, match="as the number of 'often'"):
        folder_of(tmp_path).check_objects()


@pytest.mark.parametrize("vocabulary", [{"a": 0, "b": 1}, [["a", -1.5], ["b", -2.0]]])
def test_vocabularies_of_either_kind_are_read(vocabulary: object, tmp_path: Path) -> None:
    (tmp_path / VOCABULARY).write_text(json.dumps({"model": {"vocab": vocabulary}}))
    folder_of(tmp_path).check_objects()
