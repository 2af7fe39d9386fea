"""Measure the house: lines of modules and functions, depth of nesting. Exit 1 where too much.

python benchmarks/house.py [FOLDER]
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

MOST_MODULE_LINES = 500
MOST_FUNCTION_LINES = 60
MOST_MEDIAN_LINES = 8
MOST_NESTING = 4

Function = ast.FunctionDef | ast.AsyncFunctionDef
NESTING = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match)


def main() -> int:
    """Print the measures of a package and what is over them."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "imbtool")
    modules = {path: path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py"))}
    functions = [
        (f"{path}:{node.lineno} {node.name}", code_lines(node), nesting(node.body))
        for path, source in modules.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, Function)
    ]
    median = statistics.median(lines for _, lines, _ in functions)
    longest = max(len(source.splitlines()) for source in modules.values())
    print(
        f"{len(modules)} modules, the longest {longest} lines; {len(functions)} functions, "
        f"median {median:g} lines, longest {max(lines for _, lines, _ in functions)}, "
        f"nesting at most {max(depth for _, _, depth in functions)}"
    )
    faults = [*too_long(modules), *too_much(functions)]
    if median > MOST_MEDIAN_LINES:
        faults.append(f"the median function has {median:g} lines, over {MOST_MEDIAN_LINES}")
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


def too_long(modules: dict[Path, str]) -> Iterator[str]:
    """Modules over the limit."""
    for path, source in modules.items():
        lines = len(source.splitlines())
        if lines > MOST_MODULE_LINES:
            yield f"{path}: {lines} lines, over {MOST_MODULE_LINES}"


def too_much(functions: list[tuple[str, int, int]]) -> Iterator[str]:
    """Functions over the limits."""
    for name, lines, depth in functions:
        if lines > MOST_FUNCTION_LINES:
            yield f"{name}: {lines} lines, over {MOST_FUNCTION_LINES}"
        if depth > MOST_NESTING:
            yield f"{name}: nested {depth} deep, over {MOST_NESTING}"


def code_lines(function: Function) -> int:
    """Lines of a function's body, its docstring left out."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0  # type: ignore[operator]


def nesting(body: list[ast.stmt]) -> int:
    """How deep blocks stand in blocks; `elif` is no deeper than its `if`."""
    return max((depth(statement) for statement in body), default=0)


def depth(statement: ast.stmt) -> int:
    """Depth of a statement that may hold blocks."""
    if not isinstance(statement, NESTING):
        return 0
    blocks = [child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.stmt)]
    for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        blocks += part.body
    chained = isinstance(statement, ast.If) and len(statement.orelse) == 1
    inner = [child for child in blocks if not (chained and child is statement.orelse[0])]
    below = 1 + nesting(inner)
    return max(below, depth(statement.orelse[0])) if chained else below


if __name__ == "__main__":
    sys.exit(main())
