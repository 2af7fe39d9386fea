"""What made-up label tables are made of: label names of many kinds, texts, other columns."""

import random
from collections.abc import Callable, Sequence

NAMES: dict[str, tuple[str, ...]] = {
    "plain": (
        *("refund", "billing", "login", "delivery", "complaint", "praise", "spam", "outage"),
        *("privacy", "warranty", "upgrade", "feedback"),
    ),
    "snake": (
        *("lost_card", "card_arrival", "pending_transfer", "pin_change", "top_up_failed"),
        *("exchange_rate", "age_limit", "cash_withdrawal", "self-harm", "sci-fi", "e-mail"),
    ),
    "several words": (
        *("customer service", "late delivery", "wrong item", "damaged goods", "gift voucher"),
        *("size guide", "out of stock", "loyalty points", "return policy", "app crash"),
    ),
    "recurring words": (
        *("lost card", "card arrival", "lost pin", "pin change", "pending transfer"),
        *("transfer fee", "cash transfer", "card payment fee", "pending card payment"),
    ),
    "punctuated": (
        *("hate/threatening", "Billing, refunds", "Q&A", "C++", "Food & drink", "don't know"),
        *("Trust; safety", "other (specify)", "e.g. rumours", "#help", "Tips + tricks", "on|off"),
        'so-called "news"',
    ),
    "numbered": (
        *("1.1 threats", "1.2 incitement", "2.1 slurs", "2.2 mockery", "3.1 stereotypes"),
        *("3.2 backhanded praise", "4.1 dismissal", "4.2 lecturing"),
    ),
    "unicode": (
        *("größe", "naïve", "日本", "отказ", "señal", "déjà", "Ärger", "zażalenie", "شكوى"),
        *("ευχαριστώ",),
    ),
    "emoji": ("😀", "😡", "❤️", "👍🏽", "🔥", "😢", "🤷‍♀️", "👀", "🎉"),
    "numbers": ("0", "1", "2", "3", "5", "8", "13", "42", "57", "101"),
    "mixed case": (
        *("Refund", "refund", "REFUND", "Billing", "billing", "Spam", "OTHER", "other", "Login"),
    ),
    "constants": ("None", "refund", "NA", "billing", "no", "login", "true", "delivery", "null"),
    "codes": ("001", "007", "042", "A01", "B20.1", "E11.9", "J45", "Z00.0"),
    "paths": (
        *("Electronics > Phones", "Electronics > Laptops", "Home > Garden", "Home > Kitchen"),
        *("Books > Crime", "Books > Poetry"),
    ),
    "colons": ("topic:billing", "topic:login", "tone:angry", "tone:calm", "lang:de", "lang:en"),
    "letters": ("a", "b", "c", "d", "e", "f", "g"),
}
"""Pools of names by kind."""

WORDS = (
    *("the", "a", "my", "your", "this", "that", "order", "parcel", "invoice", "app"),
    *("account", "phone", "screen", "driver", "shop", "agent", "price", "team", "answer"),
    *("week", "morning", "evening", "still", "never", "always", "again", "really", "arrived"),
    *("broke", "works", "asked", "waited", "called", "paid", "sent", "lost", "found"),
    *("opened", "wrote", "closed", "changed", "and", "but", "because", "when", "after"),
    *("before", "with", "without", "from", "into", "about", "nothing", "everything"),
    *("someone", "nobody", "quickly", "slowly", "please", "thanks", "sorry", "finally"),
    *("twice", "today", "yesterday", "tomorrow", "too", "late", "early", "wrong", "right"),
    *("new", "old", "cheap", "better", "worse", "broken", "missing", "empty", "full", "long"),
    *("short", "how", "why", "where", "what", "it", "is", "was", "are"),
)
MARKS = (", ", "; ", " | ", " / ", " - ", " & ", ": ", " # ")


def some_names(rng: random.Random, kind: str, fits: Callable[[str], bool] = bool) -> list[str]:
    """Three to eight names of a kind that fit, in the order of their frequency."""
    pool = [name for name in NAMES[kind] if fits(name)]
    count = min(len(pool), rng.randint(3, 8))
    if kind in ("mixed case", "constants"):
        return pool[: max(4, count)]
    names = rng.sample(pool, count)
    has_class_ids = kind != "numbers" or any(int(name) > 2 for name in names)
    return names if has_class_ids else [*names[:-1], "42"]


def some_text(rng: random.Random, *, plain: bool = False) -> str:
    """One made-up text; not plain ones hold quotes, line breaks and marks at times."""
    words = rng.choices(WORDS, k=rng.randint(6, 26))
    text = " ".join(words)
    text = text[0].upper() + text[1:] + rng.choice((".", "!", "?", "", " :)", "…"))
    if rng.random() < 0.3:
        here = text.index(" ")
        text = text[:here] + rng.choice(MARKS) + text[here + 1 :]
    if plain or rng.random() < 0.8:
        return text
    return rng.choice((f'{text} "Never again"', f"{text}\nRegards, K.", f"{text} café № 5", text))


def some_texts(rng: random.Random, count: int, *, plain: bool = False) -> list[str]:
    """Texts that differ from each other."""
    texts: dict[str, None] = {}
    while len(texts) < count:
        texts[some_text(rng, plain=plain)] = None
    return list(texts)


TEXT_HEADERS = (
    *("text", "text", "comment_text", "Comment", "body", "tweet", "content", "review", "utterance"),
    *("message", "sentence", "post", "Text", "document", "question", "TEXT"),
)
LABEL_HEADERS = (
    *("labels", "labels", "label", "Label", "LABELS", "tags", "Tags", "categories", "Category"),
    *("topic", "topics", "annotation", "target", "y", "class", "classes", "intents", "emotions"),
)


def other_columns(
    rng: random.Random, texts: Sequence[str], most: int = 4
) -> dict[str, list[object]]:
    """Columns that are neither texts nor labels, as tools and people add them."""
    makers: dict[str, Callable[[int], object]] = {
        "id": lambda row: 1000 + row,
        "uuid": lambda row: f"{rng.getrandbits(64):016x}-{row:04x}",
        "created_at": lambda row: (
            f"2024-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}T08:{row % 60:02}"
        ),
        "annotator": lambda row: rng.choice(("alice", "bob", "carol")),
        "split": lambda row: rng.choice(("train", "train", "test")),
        "language": lambda row: rng.choice(("en", "en", "de", "fr")),
        "source": lambda row: f"https://example.org/t/{rng.randint(1, 40)}",
        "n_chars": lambda row: len(texts[row]),
        "likes": lambda row: rng.randint(0, 900),
        "num_annotators": lambda row: rng.choice((2, 3)),
        "agreement": lambda row: rng.choice((0.33, 0.67, 1.0)),
        "lead_time": lambda row: round(rng.uniform(1.2, 90.0), 3),
    }
    chosen = rng.sample(sorted(makers), rng.randint(0, most))
    if {"id", "uuid"} <= set(chosen):
        chosen.remove("uuid")
    return {name: [makers[name](row) for row in range(len(texts))] for name in chosen}


SIZES = (55, 28, 17)
MOSTLY_ONE = (86, 10, 4)
"""How many in a hundred labelled texts have one, two and three labels."""


def label_rows(
    rng: random.Random,
    names: Sequence[str],
    count: int,
    *,
    many: bool = True,
    sizes: Sequence[int] = SIZES,
    empty: float = 0.0,
) -> list[list[str]]:
    """The labels of each text: Zipf-like, rare ones at least once, in no special order."""
    weights = [1 / (rank + 1) ** 1.1 for rank in range(len(names))]
    rows: list[list[str]] = []
    for _ in range(count):
        if rng.random() < empty:
            rows.append([])
            continue
        size = rng.choices((1, 2, 3), sizes)[0] if many else 1
        drawn = rng.choices(names, weights, k=size)
        rows.append(list(dict.fromkeys(drawn)))
    places = rng.sample(range(count), len(names))
    for place, name in zip(places, names, strict=True):
        rows[place] = list(dict.fromkeys([*rows[place], name])) if many else [name]
    return rows
