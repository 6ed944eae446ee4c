"""The top-level packages: which there are, where they are listed, and that their names are nobody else's.

`hl7` and `resources` are names that others use too, so the server has an environment of its own.
"""

import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text())
_PACKAGES = sorted(path.parent.name for path in _ROOT.glob("*/__init__.py") if path.parent.name != "tests")


def test_each_package_is_listed() -> None:
    """The build, the direction of imports and the types are about all of them."""
    tools = _PROJECT["tool"]
    assert sorted(tools["hatch"]["build"]["targets"]["wheel"]["packages"]) == _PACKAGES
    assert sorted(tools["importlinter"]["root_packages"]) == _PACKAGES
    assert sorted({*tools["mypy"]["packages"]} - {"tests"}) == _PACKAGES


@pytest.mark.parametrize("package", _PACKAGES)
def test_no_other_distribution_has_the_name(package: str) -> None:
    """A library that is installed beside the server would otherwise be imported in its place."""
    assert set(packages_distributions().get(package, ())) <= {_PROJECT["project"]["name"]}
