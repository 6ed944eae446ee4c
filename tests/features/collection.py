"""Which tests say that they prove a feature: their `feature` markers, as pytest finds them."""

import contextlib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

Proofs = Mapping[str, tuple[str, ...]]
"""The tests of each feature by its id, as `path::name` without what parametrization adds."""

_ROOT = Path(__file__).parents[2]


class _Collector:
    """A plugin that remembers the tests with markers."""

    def __init__(self) -> None:
        self.proofs: dict[str, list[str]] = {}

    def pytest_collection_modifyitems(self, items: Iterable[pytest.Item]) -> None:
        """Look at all tests once they are known."""
        for item in items:
            test = item.nodeid.partition("[")[0]
            for marker in item.iter_markers("feature"):
                for feature_id in marker.args:
                    known = self.proofs.setdefault(feature_id, [])
                    if test not in known:
                        known.append(test)


def proofs() -> Proofs:
    """Return the tests that prove each feature; raise RuntimeError if they cannot be collected."""
    collector = _Collector()
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = pytest.main(
            ["--collect-only", "-q", "-p", "no:cacheprovider", "--numprocesses=0", str(_ROOT / "tests")],
            plugins=[collector],
        )
    if status != pytest.ExitCode.OK:
        raise RuntimeError(said.getvalue())
    return {feature_id: tuple(sorted(tests)) for feature_id, tests in collector.proofs.items()}
