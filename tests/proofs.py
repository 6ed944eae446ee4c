"""Which tests say by markers that they prove something, and the pages of the documentation made of it."""

import contextlib
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

Proofs = Mapping[str, tuple[str, ...]]
"""The tests of each id that markers name, as `path::name` without what parametrization adds."""

_ROOT = Path(__file__).parents[1]
_MOST_TESTS = 3
# The program that collects may have imported what pytest would like to look at first.
_QUIETLY = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
_COLLECTING = ("--collect-only", "-q", "-p", "no:cacheprovider", "--numprocesses=0", *_QUIETLY)


class _Collector:
    """A plugin that remembers the tests with markers."""

    def __init__(self, marker: str) -> None:
        self.marker = marker
        self.proofs: dict[str, list[str]] = {}

    def pytest_collection_modifyitems(self, items: Iterable[pytest.Item]) -> None:
        """Look at all tests once they are known."""
        for item in items:
            test = item.nodeid.partition("[")[0]
            for marker in item.iter_markers(self.marker):
                for proved in marker.args:
                    known = self.proofs.setdefault(proved, [])
                    if test not in known:
                        known.append(test)


def proofs(marker: str) -> Proofs:
    """Return the tests with `marker` by the ids in it; raise RuntimeError if they cannot be collected."""
    collector = _Collector(marker)
    # Only the files that have such markers: to collect all tests takes much longer.
    named = f"mark.{marker}("
    files = [str(path) for path in sorted((_ROOT / "tests").rglob("test_*.py")) if named in path.read_text()]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = pytest.main(
            [*_COLLECTING, *files],
            plugins=[collector],
        )
    if status != pytest.ExitCode.OK:
        raise RuntimeError(said.getvalue())
    return {proved: tuple(sorted(tests)) for proved, tests in collector.proofs.items()}


def disagreements(found: Proofs, reasons: Mapping[str, str]) -> Iterator[str]:
    """Tell where tests and catalogue differ; `reasons` say why an id has no test, "" if it has one."""
    for proved in sorted(found.keys() - reasons.keys()):
        yield f"{proved} is proved by {found[proved][0]}, but is not in the catalogue"
    for known, why in reasons.items():
        if not why and known not in found:
            yield f"{known} has no test, and no reason why"
        if why and known in found:
            yield f"{known} has a reason why there is no test, but {found[known][0]} proves it"


def links(tests: Sequence[str], *, up: str = "../") -> str:
    """Return tests as links from a page of the documentation; `up` leads from it to the top."""
    named = [f"[{_name(test)}]({up}{test.partition('::')[0]})" for test in tests[:_MOST_TESTS]]
    return ", ".join(named) + (f" and {len(tests) - _MOST_TESTS} more" if len(tests) > _MOST_TESTS else "")


def _name(test: str) -> str:
    path, _, name = test.rpartition("::")
    return name if path else name.rpartition("/")[2]


@dataclass(frozen=True)
class ProofPage:
    """A page of the documentation that is made of markers: where it is, how it is made, what may be wrong."""

    path: Path
    marker: str
    text: Callable[[Proofs], str]
    wrong: Callable[[Proofs], Iterator[str]]

    def made(self, *, is_check: bool) -> Sequence[str]:
        """Write the page, unless it is only checked, and return what is wrong."""
        found = proofs(self.marker)
        told = list(self.wrong(found))
        if not is_check:
            self.path.write_text(self.text(found))
        elif not told and self.path.read_text() != self.text(found):
            told.append(f"{self.path.relative_to(_ROOT)} is out of date: its first lines say how to write it")
        return told

    def main(self) -> int:
        """Write the page, or with `--check` on the command line only look; return 0 if all agree."""
        told = self.made(is_check="--check" in sys.argv[1:])
        sys.stdout.writelines(f"{line}\n" for line in told)
        return 1 if told else 0
