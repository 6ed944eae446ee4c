"""What an operation is: its code, where it can be called, and what carries it out.

https://hl7.org/fhir/R4/operationdefinition.html
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fhir_server.context import Handler
from fhir_server.settings import Settings

ANY_TYPE = frozenset({"Resource"})


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, called as `$code` on the levels that are given here.

    `definition` is the canonical URL of its OperationDefinition. `types` are the resource types on which it
    is offered (ANY_TYPE: all of them); `on_type`, `on_instance` and `on_version` say on which addresses
    below these, `on_system` whether on the base. `parameters` are the names of its inputs; for a definition
    of our own `parameter_types` are their types where they are not `string`, and `parameter_docs` what is to
    be said of them. One that `takes_search` has the search parameters of the type as well. One that
    `affects_state`, or that `takes_resource` and so cannot be asked by an address alone, is called by POST
    only; one that `may_affect_state`, by what its inputs say, does so when it is called by POST.
    `returns` is the type of what it answers, for a definition of our own. `is_enabled` says whether the
    settings allow it; where they do not, it is refused and not promised.
    """

    code: str
    definition: str
    handler: Handler
    types: frozenset[str] = frozenset()
    parameters: tuple[str, ...] = ()
    parameter_types: Mapping[str, str] = field(default_factory=dict, hash=False)
    parameter_docs: Mapping[str, str] = field(default_factory=dict, hash=False)
    on_system: bool = False
    on_type: bool = False
    on_instance: bool = False
    on_version: bool = False
    affects_state: bool = False
    may_affect_state: bool = False
    takes_resource: bool = False
    takes_search: bool = False
    returns: str = "Parameters"
    is_enabled: Callable[[Settings], bool] = lambda _settings: True

    def is_offered(self, path: tuple[str, ...]) -> bool:
        """Tell whether `path`, whose last segment is this operation, is one of its addresses."""
        *above, _ = path
        if not above:
            return self.on_system
        if above[0] not in self.types and self.types != ANY_TYPE:
            return False
        if len(above) == 4:
            return self.on_version and above[2] == "_history"
        return (self.on_type, self.on_instance)[len(above) - 1] if len(above) < 3 else False

    def is_safe(self, method: str) -> bool:
        """Tell whether a call by `method` changes nothing, whatever its inputs."""
        return not (self.affects_state or (self.may_affect_state and method == "POST"))

    @property
    def methods(self) -> tuple[str, ...]:
        """The HTTP methods that call it."""
        return ("POST",) if self.affects_state or self.takes_resource else ("GET", "HEAD", "POST")
