"""The search parameters that a hospital added to those of R4, as one value with a revision.

Which ones there are changes while the server runs. A request sees the same ones from its beginning to its
end: `using` sets them for all that runs in its context, and what is worked out from them is remembered for as
long as they stay the same (`once_for_each_type`).

Source: https://hl7.org/fhir/R4/searchparameter.html
"""

import json
from collections.abc import Callable, Hashable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from types import MappingProxyType
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class CustomParameter:
    """An active SearchParameter resource: `definition` is what counts of it, as JSON text.

    `types` are the resource types that it serves. `since` is the revision at which it became what it is, and
    `ready` are the types of which every stored resource has its values: only there it can be searched by.
    """

    id: str
    definition: str
    types: frozenset[str]
    since: int
    ready: frozenset[str] = frozenset()

    @property
    def facts(self) -> Mapping[str, Any]:
        """The definition as FHIR JSON, which nobody may change."""
        return _facts(self.definition)


@lru_cache(maxsize=2048)
def _facts(definition: str) -> Mapping[str, Any]:
    facts: Mapping[str, Any] = json.loads(definition)
    return facts


@dataclass(frozen=True, eq=False)
class CustomParameters:
    """All custom parameters as of one `revision`, which grows with each change.

    `stamps` has, for each type that ever had a custom parameter, the last revision at which a parameter of
    it began to be indexed: index values that were extracted at this revision or later have all parameters.
    """

    revision: int = 0
    parameters: tuple[CustomParameter, ...] = ()
    stamps: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    _by_type: dict[str, tuple[CustomParameter, ...]] = field(default_factory=dict, init=False)

    def of(self, resource_type: str) -> tuple[CustomParameter, ...]:
        """Return the parameters that serve a resource type."""
        found = self._by_type.get(resource_type)
        if found is None:
            found = tuple(one for one in self.parameters if resource_type in one.types)
            self._by_type[resource_type] = found
        return found

    def stamp(self, resource_type: str) -> int:
        """Return the revision that index values of the type are good for; 0 if it has no custom parameter."""
        return self.stamps.get(resource_type, 0)


NO_PARAMETERS = CustomParameters()
"""What there is before any was added: R4 alone."""

_USED: ContextVar[CustomParameters] = ContextVar("custom_parameters", default=NO_PARAMETERS)


def custom_parameters() -> CustomParameters:
    """Return the custom parameters that this context goes by."""
    return _USED.get()


def using(parameters: CustomParameters) -> None:
    """Let the rest of this context (in a server: of this request) go by `parameters`."""
    _USED.set(parameters)


def once_for_each_type(function: Callable[[str], Result]) -> Callable[[str], Result]:
    """Return `function` of a resource type, worked out anew only when the custom parameters of it change.

    This and `once_for_all_types` are the only places that remember what depends on custom parameters.
    """
    remembered: dict[str, tuple[tuple[CustomParameter, ...], Result]] = {}

    @wraps(function)
    def remembering(resource_type: str) -> Result:
        custom = _USED.get().of(resource_type)
        known = remembered.get(resource_type)
        if known is not None and known[0] == custom:
            return known[1]
        result = function(resource_type)
        remembered[resource_type] = custom, result
        return result

    return remembering


def once_for_all_types(function: Function) -> Function:
    """Return `function`, which looks at several types, worked out anew when any custom parameter changes."""

    @lru_cache(maxsize=512)
    def remembered(_parameters: CustomParameters, *args: Hashable) -> Any:
        return function(*args)

    @wraps(function)
    def remembering(*args: Hashable) -> Any:
        return remembered(_USED.get(), *args)

    return cast(Function, remembering)
