"""Mutations of a file, field by field: what damage, carelessness and malice do to it.

A mutation changes one field of one file, or the file as a whole, to one value that a reader may not
expect there. All of them are drawn from one seeded generator, so a fault can be met again.
"""

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file, save_file

MOST_CHILDREN = 5
"""Entries of a list, or lines of a file, that are mutated; of more some are drawn."""
MOST_TENSORS = 10
DEEP = 100_000
RAW = "RAWRAWRAW"
"""Stands in a document for text that is no value of it: `1e400`, a key a second time."""

Tree = Any
Change = Callable[[Path], None]
Field = tuple[str | int, ...]


@dataclass(frozen=True)
class Mutation:
    """One change of one file.

    Attributes:
        file: relative to the project.
        field: dotted; empty where the whole file is meant.
        kind: what is done to it.
        sound: whether the file's writer could have meant it: a value of the same type.
        change: does it to the file at a path.
    """

    file: str
    field: str
    kind: str
    sound: bool
    change: Change

    def __str__(self) -> str:
        return f"{self.file}: {self.field or 'the file'}: {self.kind}"


@dataclass(frozen=True)
class Value:
    """What stands in a field instead: text of JSON, or nothing at all."""

    kind: str
    text: str | None
    sound: bool = False


ODD_VALUES = [
    Value("deleted", None),
    Value("null", "null"),
    Value("empty list", "[]"),
    Value("list", '["x", 1]'),
    Value("empty object", "{}"),
    Value("object", '{"x": 0}'),
    Value("text", '"x"'),
    Value("empty text", '""'),
    Value("blank text", '" "'),
    Value("number as text", '"1"'),
    Value("long text", json.dumps("long " * 20_000)),
    Value("zero", "0"),
    Value("minus one", "-1"),
    Value("half", "0.5"),
    Value("2**31", str(2**31)),
    Value("2**63", str(2**63)),
    Value("-2**63 - 1", str(-(2**63) - 1)),
    Value("10**30", str(10**30)),
    Value("5,000 digits", "9" * 5000),
    Value("1e308", "1e308"),
    Value("1e400", "1e400"),
    Value("1e-320", "1e-320"),
    Value("NaN", "NaN"),
    Value("Infinity", "Infinity"),
    Value("-Infinity", "-Infinity"),
    Value("true", "true"),
    Value("false", "false"),
    Value("NUL", '"a\\u0000b"'),
    Value("lone surrogate", '"\\ud800"'),
    Value("control characters", '"\\u001b[31m\\n\\r\\u2028"'),
    Value("path outside", '"../outside/notes.txt"'),
    Value("absolute path", '"/proc/self/environ"'),
    Value("a home of nobody", '"~nobody-there/x"'),
    Value("kernel of the hub", '"owner/kernel"'),
    Value("codec that is none for text", '"rot13"'),
    Value("deep list", "[" * DEEP + "]" * DEEP),
    Value("deep object", '{"a":' * DEEP + "1" + "}" * DEEP),
    Value("list of nulls", "[null, null, null]"),
    Value("list of lists", "[[], [[]], {}]"),
    Value("no value at all", ""),
]
ODD_YAML = [
    Value("tag of Python", "!!python/object/apply:os.getcwd []"),
    Value("alias of nothing", "*nothing"),
    Value("anchor", "&here [*here]"),
    Value("date", "2024-01-01"),
    Value("not a number", ".nan"),
    Value("infinite", "-.inf"),
    Value("block", "|\n   x"),
    Value("hexadecimal", "0x10"),
    Value("no", "no"),
    Value("merge", "{<<: 1}"),
    Value("open quote", "'x"),
]


def values_for(old: Tree, others: Sequence[Tree], rng: random.Random) -> list[Value]:
    """What may stand in a field instead of `old`, odd and sound values mixed.

    Args:
        old: what stands there.
        others: what stands beside it.
        rng: chooses.
    """
    values = [
        replace(value, sound=_could_be_meant(value.text, old))
        for value in ODD_VALUES
        if value.text != json.dumps(old)
    ]
    sound = [Value(kind, json.dumps(new), True) for kind, new in _alike(old) if new != old]
    other = rng.choice(others) if others else None
    if type(other) is type(old) and other != old:
        sound.append(Value("its neighbour's value", json.dumps(other), True))
    return [*values, *sound, *sound]


def _could_be_meant(text: str | None, old: Tree) -> bool:
    """Whether JSON text is of a value's type, and no number or character out of the ordinary."""
    try:
        new = json.loads(text or "", parse_int=float)
    except (ValueError, RecursionError):
        return False
    if isinstance(new, float):
        return not isinstance(old, bool) and isinstance(old, int | float) and abs(new) < 1e300
    return type(new) is type(old) and (not isinstance(new, str) or new.isprintable())


def _alike(old: Tree) -> Iterator[tuple[str, Tree]]:
    """Other values of the same type."""
    if isinstance(old, bool):
        yield "the other truth value", not old
    elif isinstance(old, int):
        yield from (("one more", old + 1), ("one less", old - 1), ("tenfold", old * 10))
        yield from (("negative", -old), ("a million", 10**6))
    elif isinstance(old, float):
        yield from (("half as much", old / 2), ("tenfold", old * 10), ("negative", -old))
        yield from (("zero", 0.0), ("one", 1.0))
    elif isinstance(old, str):
        yield from (("a letter more", f"{old}x"), ("upper case", old.upper()))
        yield from (("a blank in front", f" {old}"), ("cut", old[:-1]))
    elif isinstance(old, list):
        yield from (("reversed", old[::-1]), ("one less", old[:-1]), ("first twice", old[:1] + old))
    elif isinstance(old, dict):
        yield from (("reversed", dict(reversed(old.items()))), ("first left out", _rest(old)))
        yield "another entry", {**old, "another": None}


def _rest(old: dict[str, Tree]) -> dict[str, Tree]:
    return dict(list(old.items())[1:])


def fields_of(tree: Tree, rng: random.Random, above: Field = ()) -> Iterator[Field]:
    """Every field of a document at every depth, but for most of a long list's."""
    children: list[tuple[str | int, Tree]] = []
    if isinstance(tree, dict):
        children = list(tree.items())
    elif isinstance(tree, list):
        children = list(enumerate(tree))
    if above:
        yield above
    if len(children) > MOST_CHILDREN and _alike_children(tree):
        children = rng.sample(children, MOST_CHILDREN)
    for key, child in children:
        yield from fields_of(child, rng, (*above, key))


def _alike_children(tree: Tree) -> bool:
    """Whether a list or an object holds many entries of one kind rather than named fields."""
    values = list(tree.values()) if isinstance(tree, dict) else tree
    return isinstance(tree, list) or len(values) > 60


def changed(tree: Tree, field: Field, value: Value) -> tuple[Tree, str]:
    """A document with `RAW` in a field, and the text to put in its place."""
    if not field:
        return RAW, value.text or ""
    *above, last = field
    copy = json.loads(json.dumps(tree))
    parent = _at(copy, above)
    if value.text is None:
        del parent[last]
    else:
        parent[last] = RAW
    return copy, value.text or ""


def _at(tree: Tree, field: Sequence[str | int]) -> Tree:
    for key in field:
        tree = tree[key]
    return tree


def as_json(tree: Tree, text: str) -> str:
    """JSON text of a document, with a text in the place of `RAW`."""
    return json.dumps(tree, indent=2, ensure_ascii=False).replace(f'"{RAW}"', text)


def as_yaml(tree: Tree, text: str) -> str:
    """YAML text of a document, with a text in the place of `RAW`."""
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True).replace(RAW, text)


def document_mutations(path: Path, name: str, rng: random.Random) -> Iterator[list[Mutation]]:
    """For each field of a JSON, JSON lines or YAML file all that may be done to it."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        yield from _line_mutations(text, name, rng)
        return
    is_yaml = path.suffix == ".yaml"
    tree, write = (yaml.safe_load(text), as_yaml) if is_yaml else (json.loads(text), as_json)
    for field in [(), *fields_of(tree, rng)]:
        yield list(_of_field(tree, field, name, write, rng, is_yaml))


def _of_field(
    tree: Tree,
    field: Field,
    name: str,
    write: Callable[[Tree, str], str],
    rng: random.Random,
    is_yaml: bool = False,
) -> Iterator[Mutation]:
    dotted = ".".join(map(str, field))
    for value in _values(tree, field, rng, is_yaml):
        change = _writer(lambda value=value: write(*changed(tree, field, value)))
        yield Mutation(name, dotted, value.kind, value.sound, change)
    if field and isinstance(field[-1], str):
        yield Mutation(
            name, dotted, "renamed", False, _writer(lambda: _renamed(tree, field, write))
        )
        yield Mutation(name, dotted, "twice", False, _writer(lambda: _twice(tree, field, write)))


def _values(tree: Tree, field: Field, rng: random.Random, is_yaml: bool) -> list[Value]:
    old = _at(tree, field)
    parent = _at(tree, field[:-1]) if field else []
    others = list(parent.values()) if isinstance(parent, dict) else parent
    values = values_for(old, others, rng)
    if not field:
        values = [value for value in values if value.text is not None]
    return [*values, *ODD_YAML] if is_yaml else values


def _writer(text: Callable[[], str]) -> Change:
    return lambda path: _write(path, text())


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))


def _renamed(tree: Tree, field: Field, write: Callable[[Tree, str], str]) -> str:
    copy = json.loads(json.dumps(tree))
    parent = _at(copy, field[:-1])
    entries = {f"{key}_" if key == field[-1] else key: value for key, value in parent.items()}
    parent.clear()
    parent.update(entries)
    return write(copy, "")


def _twice(tree: Tree, field: Field, write: Callable[[Tree, str], str]) -> str:
    """The document with a key a second time, with nothing in it."""
    copy = json.loads(json.dumps(tree))
    parent = _at(copy, field[:-1])
    parent[f"{field[-1]}{RAW}"] = None
    text = write(copy, "")
    return text.replace(RAW, "")


def _line_mutations(text: str, name: str, rng: random.Random) -> Iterator[list[Mutation]]:
    """The same of JSON lines: fields of some lines, and lines as wholes."""
    lines = text.splitlines()
    chosen = sorted(rng.sample(range(len(lines)), min(MOST_CHILDREN, len(lines))))
    for number in chosen:
        tree = json.loads(lines[number])

        def write(tree: Tree, raw: str, number: int = number) -> str:
            line = json.dumps(tree, ensure_ascii=False).replace(f'"{RAW}"', raw)
            return "\n".join([*lines[:number], line, *lines[number + 1 :]]) + "\n"

        for field in [(), *fields_of(tree, rng)]:
            where = ".".join(map(str, (f"line {number + 1}", *field)))
            yield [
                Mutation(each.file, where, each.kind, each.sound, each.change)
                for each in _of_field(tree, field, name, write, rng)
            ]
    yield [
        Mutation(name, "", kind, False, _writer(lambda new=new: "\n".join(new) + "\n"))
        for kind, new in _other_lines(lines, rng)
    ]


def _other_lines(lines: list[str], rng: random.Random) -> Iterator[tuple[str, list[str]]]:
    at = rng.randrange(len(lines))
    before, line, after = lines[:at], lines[at], lines[at + 1 :]
    yield "a line left out", [*before, *after]
    yield "a line twice", [*before, line, line, *after]
    yield "half a line", [*before, line[: len(line) // 2], *after]
    yield "an empty line", [*before, "", line, *after]
    yield "a line of words", [*before, "words", *after]
    yield "lines in reverse", lines[::-1]
    yield "no last line end", [*lines[:-1], lines[-1][:-1]]


def file_mutations(path: Path, name: str, rng: random.Random) -> Iterator[Mutation]:
    """What may happen to a file as a whole."""
    data = path.read_bytes()
    at = rng.randrange(max(1, len(data)))
    noise = rng.randbytes(200)
    texts = {
        "empty": b"",
        "cut off": data[:at],
        "random bytes": noise,
        "noise in the middle": data[:at] + noise + data[at:],
        "a flipped bit": data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :],
        "NUL bytes": data[:at] + bytes(50) + data[at + 50 :],
        "a BOM": b"\xef\xbb\xbf" + data,
        "CRLF": data.replace(b"\n", b"\r\n"),
        "UTF-16": data.decode("latin-1").encode("utf-16"),
        "a byte that is not UTF-8": data[:at] + b"\xe9" + data[at:],
        "appended twice": data + data,
        "an HTML page": b"<!doctype html><title>404</title>",
        "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    }
    for kind, new in texts.items():
        yield Mutation(name, "", kind, False, lambda path, new=new: _put(path, new))
    for kind, change in _PLACES.items():
        yield Mutation(name, "", kind, False, change)


def _put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _link_to(target: str) -> Change:
    def change(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return change


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _neighbour(path: Path) -> None:
    """Put the content of another file of the folder in its place."""
    others = sorted(each for each in path.parent.iterdir() if each.is_file() and each != path)
    if others:
        shutil.copyfile(others[len(path.name) % len(others)], path)


def _moved_outside(path: Path) -> None:
    """The same content, but behind a link out of the folder: that is no fault."""
    moved = path.parent / f".{path.name}.elsewhere"
    path.rename(moved)
    path.symlink_to(moved.name)


_PLACES: dict[str, Change] = {
    "missing": lambda path: path.unlink(),
    "a folder": _folder_instead,
    "a link to itself": _loop,
    "a link to nothing": _link_to("nowhere"),
    "a link to a device": _link_to("/dev/null"),
    "a link without an end": _link_to("/dev/zero"),
    "a FIFO": _fifo,
    "another file's content": _neighbour,
    "behind a link": _moved_outside,
}


def link_mutations(path: Path, name: str) -> list[Mutation]:
    """What may happen to a link, or to the folder that a path names."""
    return [Mutation(name, "", kind, False, change) for kind, change in _FOLDERS.items()]


def _clear(path: Path) -> None:
    """Take away a link or a whole folder."""
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path)


def _instead(make: Change) -> Change:
    def change(path: Path) -> None:
        _clear(path)
        make(path)

    return change


def _with_links_followed(path: Path) -> None:
    """What `cp -rL` makes of it."""
    copy = path.with_name(f"{path.name}.copy")
    shutil.copytree(path, copy)
    _clear(path)
    copy.rename(path)


def _of_another_name(path: Path) -> None:
    """The folder behind it, under another name that the link gives."""
    folder = path.resolve()
    folder = folder.rename(folder.with_name("renamed"))
    path.unlink(missing_ok=True)
    path.symlink_to(folder.name)


_FOLDERS: dict[str, Change] = {
    "missing": _clear,
    "a file": _instead(lambda path: _put(path, b"x")),
    "an empty folder": _instead(lambda path: path.mkdir()),
    "a link to nothing": _instead(lambda path: path.symlink_to("nowhere")),
    "a link to itself": _instead(lambda path: path.symlink_to(path.name)),
    "a link to the folder that it is in": _instead(lambda path: path.symlink_to(".")),
    "a link to a folder outside": _instead(lambda path: path.symlink_to("/tmp")),
    "a FIFO": _instead(os.mkfifo),
    "a folder, its links followed": _with_links_followed,
    "a link to a folder of another name": _of_another_name,
}


def tensor_mutations(path: Path, name: str, rng: random.Random) -> Iterator[list[Mutation]]:
    """What may happen to each tensor of a safetensors file, and to its header."""
    tensors = sorted(load_file(path))
    for tensor in rng.sample(tensors, min(MOST_TENSORS, len(tensors))):
        yield [
            Mutation(name, tensor, kind, False, _tensor_change(tensor, how))
            for kind, how in _TENSORS.items()
        ]
    yield [Mutation(name, "", f"header: {kind}", False, how) for kind, how in _HEADERS.items()]


Tensors = dict[str, torch.Tensor]


def _tensor_change(name: str, how: Callable[[Tensors, str], None]) -> Change:
    def change(path: Path) -> None:
        tensors = load_file(path)
        how(tensors, name)
        kept = {key: value.clone().contiguous() for key, value in tensors.items()}
        save_file(kept, path, metadata={"format": "pt"})

    return change


def _replaced(how: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Tensors, str], None]:
    def replace(tensors: Tensors, name: str) -> None:
        tensors[name] = how(tensors[name])

    return replace


def _filled(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def fill(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.float().clone().fill_(value)

    return fill


def _first(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def fill(tensor: torch.Tensor) -> torch.Tensor:
        new = tensor.float().clone()
        new.reshape(-1)[:1] = value
        return new

    return fill


_TENSORS: dict[str, Callable[[Tensors, str], None]] = {
    "left out": lambda tensors, name: tensors.pop(name),
    "renamed": lambda tensors, name: tensors.update({f"{name}_": tensors.pop(name)}),
    "shape [1]": _replaced(lambda tensor: tensor.reshape(-1)[:1]),
    "no shape": _replaced(lambda tensor: tensor.reshape(-1)[:1].sum()),
    "shape [0]": _replaced(lambda tensor: tensor.reshape(-1)[:0]),
    "flat": _replaced(lambda tensor: tensor.reshape(-1)),
    "a dimension more": _replaced(lambda tensor: tensor[None]),
    "a row less": _replaced(lambda tensor: tensor[:-1] if tensor.dim() else tensor[None]),
    "a row more": _replaced(lambda tensor: torch.cat([tensor.reshape(1, -1)] * 2)),
    "transposed": _replaced(lambda tensor: tensor.mT if tensor.dim() > 1 else tensor[None]),
    "int64": _replaced(lambda tensor: tensor.long()),
    "bool": _replaced(lambda tensor: tensor.bool()),
    "fp64": _replaced(lambda tensor: tensor.double()),
    "NaN": _replaced(_filled(float("nan"))),
    "one NaN": _replaced(_first(float("nan"))),
    "one infinity": _replaced(_first(float("inf"))),
    "huge": _replaced(_filled(1e38)),
    "another of its name": lambda tensors, name: tensors.update({f"x.{name}": tensors[name]}),
}


def _with_header(how: Callable[[bytes], bytes]) -> Change:
    """Change the JSON header of a safetensors file, its length with it."""

    def change(path: Path) -> None:
        data = path.read_bytes()
        size = int.from_bytes(data[:8], "little")
        header = how(data[8 : 8 + size])
        path.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + size :])

    return change


def _with_length(size: int) -> Change:
    return lambda path: _put(path, size.to_bytes(8, "little") + path.read_bytes()[8:])


_HEADERS: dict[str, Change] = {
    "length 0": _with_length(0),
    "length 2**40": _with_length(2**40),
    "length 2**64 - 1": _with_length(2**64 - 1),
    "no JSON": _with_header(lambda header: b"x" * len(header)),
    "null": _with_header(lambda header: b"null"),
    "a list": _with_header(lambda header: b"[]"),
    "no tensors": _with_header(lambda header: b"{}"),
    "unknown type": _with_header(lambda header: header.replace(b'"F32"', b'"F33"')),
    "smaller type": _with_header(lambda header: header.replace(b'"F32"', b'"F16"')),
    "another format": _with_header(lambda header: header.replace(b'"pt"', b'"tf"')),
    "no metadata": _with_header(lambda header: header.replace(b"__metadata__", b"metadata__xx")),
}


def mutations_of(path: Path, name: str, rng: random.Random) -> Iterator[list[Mutation]]:
    """All that may be done to a file: a list for each of its fields, and two for it as a whole."""
    if path.is_dir():
        yield link_mutations(path, name)
        return
    whole = list(file_mutations(path, name, rng))
    yield whole[::2]
    yield whole[1::2]
    if path.suffix == ".safetensors":
        yield from tensor_mutations(path, name, rng)
    elif path.suffix in (".json", ".jsonl", ".yaml"):
        yield from document_mutations(path, name, rng)


def drawn(groups: Sequence[list[Mutation]], count: int, rng: random.Random) -> list[Mutation]:
    """So many mutations, no field twice before each was chosen once."""
    left = [rng.sample(group, len(group)) for group in groups]
    chosen: list[Mutation] = []
    while len(chosen) < count and any(left):
        rng.shuffle(left)
        chosen.extend(group.pop() for group in left if group)
    return chosen[:count]
