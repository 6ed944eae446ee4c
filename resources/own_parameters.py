"""The search parameters of our own, beside those of R4: where R4 has none for what a hospital has to find.

They are in `own_parameters.toml`, and are published by the server as SearchParameter resources.
https://hl7.org/fhir/R4/searchparameter.html
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

ADDRESS = "metadata/SearchParameter"
"""Where they are below the base of the server; with the id behind it their canonical URL begins there."""


@cache
def own_parameters() -> Mapping[str, Mapping[str, Any]]:
    """Return the definitions by their URLs below the base: `metadata/SearchParameter/Flag-status`."""
    text = (files("resources") / "own_parameters.toml").read_text(encoding="utf-8")
    found = (_definition(one) for one in tomllib.loads(text)["parameter"])
    return {one["url"]: one for one in found}


def _definition(given: Mapping[str, Any]) -> Mapping[str, Any]:
    identity = f"{given['base'][0]}-{given['code']}"
    name = "".join(part[0].upper() + part[1:] for part in identity.split("-"))
    return {
        "resourceType": "SearchParameter",
        "id": identity,
        "url": f"{ADDRESS}/{identity}",
        "name": name,
        "status": "active",
        "xpathUsage": "normal",
        **given,
    }
