"""Three sentences that say no more than the numbers do."""

from evaluations import (
    NAMES,
    Document,
    comparison,
    evaluation,
    figure,
    figures,
    full_evaluation,
    gate,
    typed,
)

from imbtool.report.verdict import Name, verdict


def said(document: Document) -> dict[str, str]:
    return {about: "".join(pieces) for about, pieces in verdict(typed(document)).items()}


def quiet() -> Document:
    """An evaluation in which nothing is amiss."""
    document = evaluation()
    document["labels"] = {
        name: {**document["labels"][NAMES[2]], "tier": "moderate", "f1": figure(0.8, low, 0.9)}
        for name, low in (("one", 0.7), ("two", 0.6))
    }
    return document


def test_each_rare_tier_says_how_much_is_found_and_how_much_is_right() -> None:
    document = evaluation()
    recall, precision = figure(0.714, 0.531, 0.857), figure(0.8)
    document["tiers"]["severe"].update(recall=recall, precision=precision)
    for row in document["labels"].values():
        row["support"] = 5
    assert said(document)["Rare labels"] == (
        "Severe labels (2): on average 71% (53–86%) of their texts are found and 80% of the "
        "decisions are right; moderate labels (1): 40% of their texts are found and 40% of the "
        "decisions are right."
    )


def test_without_positives_nothing_is_said_of_a_tier() -> None:
    document = evaluation(tiers={"severe": {"labels": 2, **figures(None)}})
    assert said(document)["Rare labels"] == (
        "Severe labels (2): no positives here, so nothing can be said."
    )


def test_without_rare_labels_all_labels_stand_for_them() -> None:
    document = evaluation(tiers={})
    document["overall"]["macro"]["f1"] = figure(0.372, 0.3, 0.44)
    sentence = said(document)["Rare labels"]
    assert sentence == "No label is rare here; macro-F1 is 0.37 [.30–.44]."


def test_labels_with_few_positives_and_the_widest_interval_are_named() -> None:
    document = evaluation()
    document["labels"][NAMES[1]]["f1"] = figure(0.4, 0.12, 0.74)
    document["labels"][NAMES[2]]["f1"] = figure(0.8, 0.7, 0.9)
    document["labels"][NAMES[0]]["f1"] = figure(0.0, 0.0, 1.0)
    assert said(document)["Not known"] == (
        f"2 labels have fewer than 10 positives here, too few to say: {NAMES[3]}, {NAMES[0]}; of "
        f"the others {NAMES[1]} is known least, its F1 could be anything from 0.12 to 0.74."
    )
    assert said(quiet())["Not known"] == (
        "Each label has at least 10 positives here; two is known least, its F1 could be anything "
        "from 0.60 to 0.90."
    )


def test_where_nothing_is_amiss_no_more_than_that_is_said() -> None:
    quietly = "no label is at zero recall, no rare one is mostly wrong for sure."
    assert said(quiet())["Beware"] == f"nothing stands out: {quietly}"
    gated = {**quiet(), "gates": [gate("f1", "one", 0.1, True)]}
    assert said(gated)["Beware"] == (f"nothing stands out: every required metric is met, {quietly}")


def test_a_tier_says_of_how_many_labels_its_means_are() -> None:
    document = evaluation()
    document["labels"][NAMES[0]]["support"] = 4
    assert said(document)["Rare labels"].startswith(
        "Severe labels (1 of 2 have positives here): 0%"
    )


def test_a_label_never_found_is_named_with_what_to_do() -> None:
    document = quiet()
    document["labels"]["one"]["recall"] = figure(0.0, 0.0, 0.3)
    sentence = said(document)["Beware"]
    assert sentence == "never found: one (label more texts or try imbtool tune)."


def test_only_a_label_that_is_surely_mostly_wrong_counts_as_false_alarms() -> None:
    document = quiet()
    document["labels"]["one"]["precision"] = figure(0.3, 0.1, 0.51)
    document["labels"]["two"]["precision"] = figure(0.3, 0.2, 0.49)
    assert said(document)["Beware"] == "most decisions are false alarms for two."
    document["labels"]["two"]["tier"] = "common"
    assert said(document)["Beware"].startswith("nothing stands out")


def test_the_worst_three_come_first_and_names_are_few() -> None:
    document = full_evaluation()
    document["data"]["seen_in_training"] = True
    document["comparison"] = comparison([-0.2, -0.2, -0.2, -0.2])
    sentence = said(document)["Beware"]
    assert sentence.startswith("these texts were used in training, so all metrics are too good; ")
    assert "; 1 of 2 required metrics is not met; never found: " in sentence
    assert "worse than" not in sentence
    document["data"]["seen_in_training"] = False
    sentence = said(document)["Beware"]
    assert f"; worse than runs/<b>old</b> on {NAMES[0]}, {NAMES[1]}, {NAMES[2]} and 1 more." in (
        sentence
    )


def test_texts_that_were_used_in_training_are_told_by_their_number() -> None:
    document = quiet()
    document["data"] |= {"texts": 200, "used_texts": 12}
    assert said(document)["Beware"] == (
        "12 of 200 texts were used in training, so metrics are better than on new texts."
    )
    document["data"]["used_texts"] = 0
    assert said(document)["Beware"].startswith("nothing stands out")


def test_what_others_named_is_set_apart() -> None:
    pieces = [piece for it in verdict(typed(full_evaluation())).values() for piece in it]
    for piece in pieces:
        assert isinstance(piece, Name) == (piece in NAMES or piece == "runs/<b>old</b>")


def test_texts_that_a_search_chose_are_the_first_thing_to_beware_of() -> None:
    document = quiet()
    document["data"]["chosen"] = 60
    told = "a search chose 60 of 4,000 texts, so no metric holds for texts as they come."
    assert said(document)["Beware"] == told
