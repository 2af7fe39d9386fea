"""A profile file is read with every error and its line."""

from pathlib import Path

import pytest

from imbtool.config.reader import (
    Override,
    overlay,
    parse_override,
    read_profile,
)
from imbtool.config.schema import Profile
from imbtool.errors import Problem, UserError

DATA = "data: {train: train.csv}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with profiles; the current one is another."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "profiles").mkdir()
    return tmp_path / "profiles"


def write(folder: Path, text: str) -> Path:
    path = folder / "p.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def read(folder: Path, text: str, *sets: str) -> Profile:
    return read_profile(write(folder, text), [parse_override(item) for item in sets])


def problems(folder: Path, text: str, *sets: str) -> tuple[Problem, ...]:
    with pytest.raises(UserError) as caught:
        read(folder, text, *sets)
    return caught.value.problems


def places(folder: Path, text: str, *sets: str) -> list[str]:
    prefix = str(folder / "p.yaml")
    return [problem.where.removeprefix(prefix) for problem in problems(folder, text, *sets)]


def test_numbers_are_numbers_where_numbers_are_wanted(folder: Path):
    text = DATA + "training: {learning_rate: 1e-5, epochs: 4}\nloss: {gamma: '1.10'}\n"
    profile = read(folder, text)
    assert profile.training.learning_rate == 1e-5
    assert profile.training.epochs == 4
    assert profile.loss.gamma == 1.1


def test_label_names_stay_text_whatever_they_look_like(folder: Path):
    odd = ["no", "1.10", "12:30", "null", "1e-5", "true", "007"]
    keys = ", ".join(f"{name}: 2" for name in odd)
    text = DATA + f"weights:\n  custom: {{{keys}}}\nlabels:\n  hierarchy: {{no: [1.10, null]}}\n"
    profile = read(folder, text)
    assert list(profile.weights.custom) == odd
    assert profile.labels.edges == [("1.10", "no"), ("null", "no")]


def test_empty_sections_have_their_defaults(folder: Path):
    assert read(folder, DATA + "loss:\ntraining:\n") == read(folder, DATA)


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "just text\n"])
def test_a_file_without_sections_is_refused(folder: Path, text: str):
    assert places(folder, text) == [""]


def test_a_missing_file_is_refused(folder: Path):
    with pytest.raises(UserError, match="no such file"):
        read_profile(folder / "missing.yaml")


def test_a_file_that_is_not_utf8_is_refused(folder: Path):
    (folder / "p.yaml").write_bytes(b"data: {train: \xff.csv}")
    with pytest.raises(UserError):
        read_profile(folder / "p.yaml")


def test_all_errors_are_reported_at_once_each_with_its_line(folder: Path):
    text = (
        "data:\n  train: a.csv\n"
        "loss:\n  gama: 2\n  constraint: -1\n"
        "training:\n  epochs: many\n  epochs: 3\n"
        "weights:\n  custom:\n    rare: 5\n    rarer: heavy\n"
    )
    assert sorted(places(folder, text, "training.warmup=2")) == sorted(
        [
            ":4: loss.gama",
            ":5: loss.constraint",
            ":7: training.epochs",
            ":8",
            ":12: weights.custom.rarer",
            "--set training.warmup=2: training.warmup",
        ]
    )


def test_a_duplicate_key_is_refused_with_both_lines(folder: Path):
    (problem,) = problems(folder, DATA + "loss:\n  gamma: 1\n  gamma: 2\n")
    assert problem.where == f"{folder / 'p.yaml'}:4"
    assert "first on line 3" in problem.found


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("loss: {gama: 2}\n", "did you mean 'gamma'?"),
        ("trainning: {epochs: 2}\n", "did you mean 'training'?"),
        ("weights: {severe: {ratio: 9, wieght: 9}}\n", "did you mean 'weight'?"),
        ("loss: {zzz: 2}\n", "use one of: name, gamma, constraint"),
        ("thresholds: {require: {a: {recal: 0.8}}}\n", "did you mean 'recall'?"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(folder: Path, text: str, fix: str):
    assert fix in [problem.fix for problem in problems(folder, DATA + text)]


def test_a_missing_key_is_reported_where_it_should_stand(folder: Path):
    (problem,) = problems(folder, "loss: {}\ndata:\n  text: body\n")
    assert problem.where == f"{folder / 'p.yaml'}:2: data.train"
    assert problem.fix == "add `train:`"


def test_a_value_that_may_be_of_two_kinds_gives_one_problem_with_both(folder: Path):
    (problem,) = problems(folder, DATA + "training:\n  learning_rate: fast\n")
    assert problem.where == f"{folder / 'p.yaml'}:3: training.learning_rate"
    assert problem.found == "'fast'"
    assert problem.expected == "'auto' or a valid number"


def test_what_is_wrong_with_a_requirement_is_said_at_its_line(folder: Path):
    text = "thresholds:\n  require:\n    a: 0.8\n    b: {recall: 80}\n    c: {}\n"
    said = problems(folder, DATA + text)
    assert [(problem.where.rpartition(":")[2], problem.expected) for problem in said] == [
        (" thresholds.require.a", "a map"),
        (" thresholds.require.b.recall", "less than or equal to 1"),
        (" thresholds.require.c", "one of recall, precision, flags_per_1000"),
    ]


def test_a_requirement_can_come_from_the_command_line(folder: Path):
    read_back = read(folder, DATA, "thresholds.require={a.b: {recall: 0.8}}")
    assert read_back.thresholds.require["a.b"].recall == 0.8
    named = read(folder, DATA, "thresholds.require.a.b={precision: 0.5}")
    assert named.thresholds.require["a.b"].precision == 0.5


def test_a_contradiction_says_how_to_mend_it(folder: Path):
    (problem,) = problems(folder, DATA + "loss: {name: bce, gamma: 2}\n")
    assert problem.where == f"{folder / 'p.yaml'}:2: loss"
    assert problem.fix == "delete loss.gamma or write name: focal"


def test_a_set_wins_over_the_file_and_the_file_over_the_default(folder: Path):
    text = DATA + "loss: {gamma: 1}\n"
    assert read(folder, DATA).loss.gamma == 2.0
    assert read(folder, text).loss.gamma == 1.0
    assert read(folder, text, "loss.gamma=0.5").loss.gamma == 0.5


def test_of_two_overrides_the_later_wins_so_that_set_wins_over_an_option(folder: Path):
    option = Override("training.epochs", "5", "--epochs 5")
    path = write(folder, DATA + "training: {epochs: 4}\n")
    assert read_profile(path, [option]).training.epochs == 5
    assert read_profile(path, [option, parse_override("training.epochs=6")]).training.epochs == 6


def test_a_set_reaches_labels_with_dots_and_equals_signs(folder: Path):
    profile = read(folder, DATA, "weights.custom.1.1 threats=7", "loss.gamma.v2.0=1")
    assert profile.weights.custom == {"1.1 threats": 7.0}
    assert profile.loss.gamma == {"v2.0": 1.0}


def test_a_set_may_give_a_list_or_a_map_and_stays_text_where_text_is_wanted(folder: Path):
    profile = read(folder, DATA, "data.text=[title, body]", "weights.custom={no: 4}")
    assert profile.data.text == ["title", "body"]
    assert profile.weights.custom == {"no": 4.0}
    assert read(folder, DATA, "data.id=1e5").data.id == "1e5"


def test_a_set_into_an_empty_section_fills_it(folder: Path):
    assert read(folder, DATA + "loss:\n", "loss.gamma=1").loss.gamma == 1.0


def test_a_set_without_an_equals_sign_is_refused():
    with pytest.raises(UserError, match="no '='"):
        parse_override("loss.gamma")


def test_a_set_without_a_key_is_refused(folder: Path):
    assert places(folder, DATA, "=5")[0].startswith("--set =5")


def test_a_problem_in_a_set_names_the_set(folder: Path):
    (problem,) = problems(folder, DATA + "loss: {gamma: 1}\n", "loss.gamma=high")
    assert problem.where == "--set loss.gamma=high: loss.gamma"
    (problem,) = problems(folder, DATA, "los.gamma=1")
    assert problem.where.startswith("--set los.gamma=1")
    assert problem.fix == "did you mean 'loss'?"


def test_a_problem_inside_a_map_given_by_set_names_the_set_not_the_line_it_replaced(folder: Path):
    text = DATA + "weights:\n  custom:\n    rare: 2\n"
    (problem,) = problems(folder, text, "weights.custom={rare: heavy}")
    assert problem.where.startswith("--set weights.custom={rare: heavy}")


def test_bce_by_set_drops_the_gamma_of_the_file(folder: Path):
    text = DATA + "loss: {gamma: 1.5, constraint: 0}\n"
    profile = read(folder, text, "loss.name=bce")
    assert (profile.loss.name, profile.loss.constraint) == ("bce", 0)
    assert profile.loss.gamma_of("any") == 0.0


@pytest.mark.parametrize(
    ("text", "sets"),
    [
        ("loss: {name: bce, gamma: 2}\n", []),
        ("loss: {name: bce}\n", ["loss.gamma=2"]),
        ("", ["loss.name=bce", "loss.gamma=2"]),
    ],
)
def test_bce_and_gamma_from_the_same_place_are_refused(folder: Path, text: str, sets: list[str]):
    assert "no effect" in problems(folder, DATA + text, *sets)[0].found


def test_paths_in_the_file_are_relative_to_the_file(folder: Path):
    (folder / "encoder").mkdir()
    data = "data: {train: ../tables/train.csv, test: /abs/test.csv}\n"
    profile = read(folder, data + "model: {encoder: encoder}\n")
    assert profile.data.train == folder.parent / "tables" / "train.csv"
    assert profile.data.test == Path("/abs/test.csv")
    assert profile.data.validation is None
    assert profile.model.encoder == str(folder / "encoder")


def test_paths_in_a_set_are_relative_to_the_current_folder(folder: Path):
    Path("mine").mkdir()
    profile = read(folder, DATA, "data.validation=v.csv", "model.encoder=mine")
    assert profile.data.train == folder / "train.csv"
    assert profile.data.validation == Path.cwd() / "v.csv"
    assert profile.model.encoder == str(Path.cwd() / "mine")


@pytest.mark.parametrize("encoder", ["bundled", "org/name"])
def test_an_encoder_that_is_no_folder_is_a_name(folder: Path, encoder: str):
    (folder / "bundled").mkdir()
    assert read(folder, DATA + f"model: {{encoder: {encoder}}}\n").model.encoder == encoder


def test_an_overlay_is_as_if_the_profile_had_been_read_so(folder: Path):
    base = read(folder, DATA + "loss: {gamma: 1}\nweights: {custom: {no: 3}}\n")
    laid = overlay(base, [parse_override("loss.name=bce"), parse_override("data.test=t.csv")])
    assert laid.loss.name == "bce"
    assert laid.data.train == base.data.train
    assert laid.data.test == Path.cwd() / "t.csv"
    assert laid.weights == base.weights
