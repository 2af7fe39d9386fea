"""Modules, functions and rooms of the package stay small enough to be read in one sitting."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "imbtool"
MODULE_LINES, FUNCTION_LINES, NESTING = 500, 60, 4
ROOM_FILES, ROOM_LINES = 15, 3_000
TOP_MODULES = 8
DIVIDED = ("report",)
"""Rooms whose folders are counted one by one."""
COMMANDS = "cli"
"""The room that has a file for each command, however many there are."""

BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match)


def room_of(path: Path) -> str:
    """The folder that a module of the package counts for; empty at the top."""
    folders = path.parts[:-1]
    return "/".join(folders[:2] if folders[:1] == DIVIDED else folders[:1])


def oversized(modules: dict[Path, str]) -> Iterator[str]:
    """Each excess, given the source of modules by their path in the package."""
    for path, source in modules.items():
        if (lines := len(source.splitlines())) > MODULE_LINES:
            yield f"{path}: {lines} lines, over {MODULE_LINES}"
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from (f"{path}:{node.lineno} {node.name}: {told}" for told in excess(node))
    yield from crowded(modules)


def crowded(modules: dict[Path, str]) -> Iterator[str]:
    """Rooms with too many files or lines."""
    files: Counter[str] = Counter(map(room_of, modules))
    lines: Counter[str] = Counter()
    for path, source in modules.items():
        lines[room_of(path)] += len(source.splitlines())
    if (top := files.pop("", 0)) > TOP_MODULES:
        yield f"the top has {top} modules, over {TOP_MODULES}"
    for room, count in files.items():
        if count > ROOM_FILES and room != COMMANDS:
            yield f"{room}/ has {count} files, over {ROOM_FILES}"
        if lines[room] > ROOM_LINES:
            yield f"{room}/ has {lines[room]} lines, over {ROOM_LINES}"


def excess(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """In what a function exceeds the limits; its docstring does not count."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if body and (lines := body[-1].end_lineno - body[0].lineno + 1) > FUNCTION_LINES:
        yield f"{lines} lines, over {FUNCTION_LINES}"
    if (deepest := max(map(depth, body), default=0)) > NESTING:
        yield f"nested {deepest} deep, over {NESTING}"


def depth(statement: ast.stmt) -> int:
    """How many blocks a statement opens one in another; `elif` is no deeper than its `if`."""
    if not isinstance(statement, BLOCKS):
        return 0
    inside = [child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.stmt)]
    for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        inside += part.body
    beside = [child for child in inside if is_elif(child, statement)]
    inner = [child for child in inside if child not in beside]
    return max(1 + max(map(depth, inner), default=0), *map(depth, beside), 1)


def is_elif(child: ast.stmt, parent: ast.stmt) -> bool:
    return isinstance(parent, ast.If) and isinstance(child, ast.If) and parent.orelse == [child]


def test_the_package_keeps_to_the_limits() -> None:
    sources = {
        path.relative_to(PACKAGE): path.read_text(encoding="utf-8")
        for path in sorted(PACKAGE.rglob("*.py"))
    }
    assert sources
    assert list(oversized(sources)) == []


@pytest.mark.parametrize(
    ("modules", "told"),
    [
        ({"data/a.py": "\n" * 501}, "data/a.py: 501 lines, over 500"),
        (
            {"a.py": "def f():\n" + "    x = 1\n" * 61},
            "a.py:1 f: 61 lines, over 60",
        ),
        (
            {
                "a.py": "def f():\n"
                + "".join("    " * n + "if x:\n" for n in range(1, 6))
                + "      " * 6
                + "x = 1"
            },
            "a.py:1 f: nested 5 deep, over 4",
        ),
        ({f"{n}.py": "" for n in range(9)}, "the top has 9 modules, over 8"),
        ({f"data/{n}.py": "" for n in range(16)}, "data/ has 16 files, over 15"),
        ({f"data/{n}.py": "\n" * 500 for n in range(7)}, "data/ has 3500 lines, over 3000"),
        ({f"report/html/{n}.py": "" for n in range(16)}, "report/html/ has 16 files, over 15"),
    ],
    ids=lambda value: value.partition(": ")[2] if isinstance(value, str) else "",
)
def test_what_exceeds_a_limit_is_told(modules: dict[str, str], told: str) -> None:
    assert list(oversized({Path(name): source for name, source in modules.items()})) == [told]


def test_each_command_may_have_a_file() -> None:
    assert list(oversized({Path(f"cli/{n}.py"): "" for n in range(16)})) == []


def test_elif_is_no_deeper_and_a_docstring_does_not_count() -> None:
    chain = "    if x:\n        pass\n" + "    elif x:\n        pass\n" * 9
    text = '    """' + "words\n" * 70 + '"""\n'
    assert list(oversized({Path("a.py"): f"def f(x):\n{text}{chain}"})) == []
