"""SearchParameters on their way into the store: what they change of the custom parameters, all or nothing.

See `docs/decisions/0018-custom-search-parameters.md`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pymongo.asynchronous.client_session import AsyncClientSession

from fhir_server.search.extraction import search_values
from fhir_server.search.registration import Registration, registration
from fhir_server.store.documents import Write
from fhir_server.store.registry import Registry
from resources.custom_parameters import CustomParameters, custom_parameters, using


class ParametersChanged(Exception):
    """Somebody else changed the custom search parameters since the transaction was planned; plan again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a transaction makes of the custom parameters `before` it; `change` is None if they stay."""

    before: CustomParameters
    change: Registration | None

    @property
    def changes_what_was_asked(self) -> bool:
        """Whether a parameter that could be asked is another one afterwards, or none."""
        return self.change is not None and self.change.was_asked


def is_definition(write: Write) -> bool:
    """Tell whether the write may change the custom parameters."""
    return write.resource_type == "SearchParameter"


async def planned(registry: Registry, writes: Iterable[Write]) -> Plan | None:
    """Return what becomes of the custom parameters, None if the writes are about something else.

    Raises UnprocessableContent if one of the definitions cannot be served.
    """
    definitions = [(write.id, write.resource) for write in writes if is_definition(write)]
    if not definitions:
        return None
    before = await registry.refresh()
    return Plan(before, registration(before, definitions))


async def register(registry: Registry, plan: Plan, now: datetime, session: AsyncClientSession) -> None:
    """Carry out `plan` within a transaction; raise ParametersChanged if somebody else changed something."""
    after = plan.before if plan.change is None else plan.change.after
    # Also where nothing changes, nobody else may change anything meanwhile.
    if not await registry.replace(plan.before, after, session):
        raise ParametersChanged
    if plan.change is not None:
        await registry.note_removed(plan.change, now, session)


async def extracted_anew(registry: Registry, writes: Sequence[Write]) -> list[Write]:
    """Return `writes` with the index values of all custom parameters, also of those just added."""
    using(await registry.refresh())
    return [write if write.resource is None else _extracted(write, write.resource) for write in writes]


def _extracted(write: Write, resource: dict[str, object]) -> Write:
    stamp = custom_parameters().stamp(write.resource_type)
    return replace(write, search=search_values(resource), indexed=stamp)
