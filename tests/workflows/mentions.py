"""Which tests name a rule of the hospital's work: those in whose source its id stands."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_TESTS = _ROOT / "tests" / "fhir_server"
_ID = re.compile(r"\bW\d+\.[a-z][a-z0-9-]*")


@cache
def mentions() -> Mapping[str, tuple[str, ...]]:
    """Return the tests by the ids of rules, as `path::name`, or `path` where no single test names one."""
    found: dict[str, list[str]] = {}
    for path in sorted(_TESTS.rglob("test_*.py")):
        text = path.read_text()
        if _ID.search(text):
            for rule, test in _of_file(path.relative_to(_ROOT).as_posix(), text):
                known = found.setdefault(rule, [])
                if test not in known:
                    known.append(test)
    return {rule: tuple(tests) for rule, tests in found.items()}


def _of_file(path: str, text: str) -> Iterator[tuple[str, str]]:
    in_tests: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            source = "\n".join(text.splitlines()[first - 1 : node.end_lineno])
            for rule in dict.fromkeys(_ID.findall(source)):
                in_tests.add(rule)
                yield rule, f"{path}::{node.name}"
    for rule in dict.fromkeys(_ID.findall(text)):
        if rule not in in_tests:
            yield rule, path
