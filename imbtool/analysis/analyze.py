"""All checks of a corpus before training, and its numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict

import numpy as np

from imbtool.analysis import drift, label_errors, lengths, repeated_texts
from imbtool.analysis.annotators import annotator_findings
from imbtool.analysis.chosen_texts import chosen_findings
from imbtool.analysis.document import (
    Analysis,
    CoOccurrence,
    LabelAnalysis,
    LabelWeights,
    Sample,
    SplitAnalysis,
    Verdict,
)
from imbtool.analysis.drift import drift_findings, measure_drift
from imbtool.analysis.finding import SEVERITIES, Finding, ranked
from imbtool.analysis.hierarchy import count_violations, hierarchy_findings
from imbtool.analysis.label_counts import (
    Counts,
    declared_findings,
    label_findings,
    measurability,
    spelling_findings,
)
from imbtool.analysis.lengths import Tokens, length_findings, measure_lengths
from imbtool.analysis.repeated_texts import same_texts, text_findings
from imbtool.config.schema import Profile
from imbtool.data.corpus import Corpus, Split
from imbtool.data.declared import lacking
from imbtool.data.imbalance import (
    ImbalanceMeasures,
    LabelImbalance,
    cardinality,
    co_occurrence,
    count_labels,
    frequency_group,
    labels_per_text,
    measure_imbalance,
)
from imbtool.data.weights import LabelWeight, effective_number_weights, weigh_labels


def analyze(
    corpus: Corpus,
    profile: Profile,
    tokens: Tokens | None = None,
    further: Iterable[Finding] = (),
) -> Analysis:
    """Everything `imbtool analyze` shows: the content of analysis.json.

    Args:
        corpus: the data.
        profile: gives the rules of the weights, the labels with a requirement, and those that it
            declares.
        tokens: of its texts; without them only characters are counted.
        further: findings of other checks, such as suspected label errors.

    Raises:
        UserError: the table of answers that the profile names cannot be read.

    Examples:
        >>> from pathlib import Path
        >>> from imbtool import analyze, read_corpus, read_profile
        >>> profile = read_profile(Path("profile.yaml"))
        >>> analysis = analyze(read_corpus(profile, learnable=False), profile)
        >>> {finding.severity for finding in analysis.findings} <= {"error", "warning", "info"}
        True
    """
    weights, required = weigh_labels(corpus, profile.weights), profile.thresholds.require
    counts = _count_labels(corpus)
    same = same_texts(corpus)
    text_lengths = measure_lengths(corpus, tokens)
    differences = measure_drift(corpus, counts)
    answers = profile.data.answers
    idle = lacking(corpus.train.label_sets, corpus.labels.names, profile.labels.names)
    learned = corpus.without(idle.names)
    findings = ranked(
        [
            *spelling_findings(corpus),
            *label_findings(learned, _count_labels(learned), required),
            *declared_findings(idle),
            *chosen_findings(corpus),
            *text_findings(same),
            *hierarchy_findings(learned),
            *length_findings(tokens, text_lengths.tokens),
            *drift_findings(differences),
            *(annotator_findings(answers, corpus.labels.names) if answers else ()),
            *further,
        ]
    )
    repeats = same.repeat_counts()
    severities = [finding.severity for finding in findings]
    imbalance, label_rows = _label_analyses(corpus, weights, counts, learned)
    asked = learned.without(corpus.declared.unasked)
    return Analysis(
        labels=label_rows,
        splits={name: _split(split, repeats[name]) for name, split in asked.splits.items()},
        imbalance=imbalance,
        co_occurrence=CoOccurrence(
            labels=list(corpus.labels.names), texts=co_occurrence(corpus.train.label_sets).tolist()
        ),
        hierarchy=count_violations(learned),
        lengths=text_lengths,
        drift=differences,
        samples=_samples(corpus, tokens, {finding.id for finding in findings}),
        verdict=Verdict(**{severity: severities.count(severity) for severity in SEVERITIES}),
        findings=findings,
    )


def explain_weights(corpus: Corpus, weights: Sequence[LabelWeight]) -> dict[str, LabelWeights]:
    """Counts, tier, weight and reason of each label, by name."""
    counts = _count_labels(corpus)
    effective = effective_number_weights([weight.count for weight in weights])
    parents = corpus.labels.parents
    return {
        weight.label: LabelWeights(
            parent=corpus.labels.names[parents[index]] if parents[index] >= 0 else None,
            positives=weight.count.positives,
            negatives=weight.count.negatives,
            unknown=weight.count.unknown,
            ratio=weight.count.ratio,
            tier=weight.tier,
            weight=weight.weight,
            reason=weight.reason,
            effective_number_weight=float(effective[index]),
            splits={name: rows[index].positives for name, rows in counts.items()},
        )
        for index, weight in enumerate(weights)
    }


def _count_labels(corpus: Corpus) -> Counts:
    return {name: count_labels(split.label_sets) for name, split in corpus.splits.items()}


def _label_analyses(
    corpus: Corpus, weights: Sequence[LabelWeight], counts: Counts, learned: Corpus
) -> tuple[ImbalanceMeasures, dict[str, LabelAnalysis]]:
    """The measures of the labels that training learns, and what is known of each label."""
    imbalance, measured_labels = measure_imbalance(learned.train.label_sets)
    by_label = dict(zip(learned.labels.names, measured_labels, strict=True))
    nothing = LabelImbalance(np.nan, np.nan, frequency_group(0))
    of_labels = [by_label.get(name, nothing) for name in corpus.labels.names]
    measured = measurability(counts, corpus.labels.names)
    rows = explain_weights(corpus, weights)
    return imbalance, {
        name: LabelAnalysis(**dict(rows[name]), **asdict(label), measurability=measured[name])
        for name, label in zip(corpus.labels.names, of_labels, strict=True)
    }


def _samples(corpus: Corpus, tokens: Tokens | None, found: Collection[str]) -> dict[str, Sample]:
    """What rests on a sample of the texts; empty where nothing does."""
    trained = {"label errors": label_errors.SAMPLED_TEXTS} if "label-error" in found else {}
    texts = sum(map(len, corpus.splits.values()))
    most = {
        "near duplicates": repeated_texts.SAMPLED_TEXTS,
        "words and lengths compared": drift.SAMPLED_TEXTS,
        **({"tokens": lengths.SAMPLED_TEXTS} if tokens else {}),
    }
    sizes = [(name, size, texts) for name, size in most.items()]
    sizes += [(name, size, len(corpus.train)) for name, size in trained.items()]
    return {name: Sample(texts=size, of=of) for name, size, of in sizes if size < of}


def _split(split: Split, duplicates: int) -> SplitAnalysis:
    numbers = labels_per_text(split.label_sets)
    known = sum(numbers.values())
    return SplitAnalysis(
        source=str(split.source),
        texts=len(split),
        chosen=int(split.chosen.sum()),
        labels_per_text=numbers,
        mean_labels=cardinality(split.label_sets),
        unlabelled=numbers.get(0, 0),
        unlabelled_share=numbers.get(0, 0) / known if known else None,
        duplicates=duplicates,
        fingerprint=split.fingerprint,
    )
