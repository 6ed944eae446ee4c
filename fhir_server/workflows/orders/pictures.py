"""Media and ImagingStudy: what a report shows is kept from the patient, and released, together with it.

https://hl7.org/fhir/R4/diagnosticreport-definitions.html#DiagnosticReport.media,
https://hl7.org/fhir/R4/diagnosticreport-definitions.html#DiagnosticReport.imagingStudy
"""

from collections.abc import Iterable
from dataclasses import dataclass

from fhir_server.workflows.consequences import Consequence, Put
from fhir_server.workflows.orders.release import held, is_held, is_released, newly_released, released
from fhir_server.workflows.orders.rules import RELEASE_ROLE
from fhir_server.workflows.orders.vocabulary import Resource, is_final, references, subject
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

TYPES = frozenset({"Media", "ImagingStudy"})


def shown_in(report: Resource, base_url: str) -> tuple[str, ...]:
    """Return the Media and ImagingStudies that a report names."""
    links = {"link": [one.get("link", {}) for one in report.get("media", ())]}
    media = references(links, "link", base_url, "Media")
    return (*media, *references(report, "imagingStudy", base_url, "ImagingStudy"))


async def pictures(report: Resource, records: Records) -> tuple[Resource, ...]:
    """Return what a report shows of its own patient, with the Binaries in which the Media are."""
    base_url, found = records.situation.base_url, []
    for reference in shown_in(report, base_url):
        picture = await records.read(reference)
        if picture is not None and subject(picture, base_url) == subject(report, base_url):
            found += await _with_file(picture, records)
    return tuple(found)


async def _with_file(picture: Resource, records: Records) -> list[Resource]:
    base_url = records.situation.base_url
    binary = await records.read(picture.get("content", {}).get("url"))
    is_of_patient = subject(picture, base_url) in references(binary or {}, "securityContext", base_url)
    return [picture, binary] if binary is not None and is_of_patient else [picture]


def together(report: Resource, shown: Iterable[Resource]) -> Iterable[Put]:
    """Yield what a report shows as it is labelled from now on; what was released once stays so."""
    for one in shown:
        if is_released(one):
            continue
        if is_released(report) and is_final(report):
            yield Put(released(one))
        elif is_held(report) and not is_held(one):
            yield Put(held(one))


def completes(picture: Resource, before: Resource | None, _situation: Situation) -> Resource:
    """Return a picture with the label, or the tag, that it had."""
    if is_released(picture) or (before is not None and is_released(before)):
        is_marked = is_released(picture) and not is_held(picture)
        return picture if is_marked else released(picture)
    was_held = before is not None and is_held(before)
    return held(picture) if was_held and not is_held(picture) else picture


@dataclass(frozen=True, slots=True)
class Facts:
    """The `reports` that show a picture which is new, or newly released, and the picture with its Binary."""

    reports: tuple[Resource, ...] = ()
    shown: tuple[Resource, ...] = ()

    @property
    def is_released(self) -> bool:
        """Whether one of the reports is released."""
        return any(is_released(one) for one in self.reports)


async def gather(change: Change, records: Records) -> Facts:
    """Look up the reports that show a picture; of one that was here before they have seen to it."""
    picture, base_url = change.after, records.situation.base_url
    if picture is None or not (change.before is None or newly_released(change)):
        return Facts()
    whose = subject(picture, base_url)
    if whose is None:
        return Facts()
    reports = await records.search("DiagnosticReport", ("subject", whose), sort="-_lastUpdated")
    showing = tuple(one for one in reports if change.reference in shown_in(one, base_url))
    return Facts(showing, tuple(await _with_file(picture, records)) if showing else ())


def check(change: Change, facts: Facts, situation: Situation) -> Iterable[Violation]:
    """Yield who may not release a picture; one of a report that is released goes with it."""
    if newly_released(change) and not facts.is_released and not situation.has_role("DR"):
        yield RELEASE_ROLE.broken("Only a doctor releases results", f"{change.resource_type}.meta.tag")


def follows(change: Change, facts: Facts, _situation: Situation) -> Iterable[Consequence]:
    """Keep a picture from the patient that comes after its report."""
    if change.before is None and not facts.is_released:
        held_back = (one for one in facts.reports if is_held(one))
        yield from (put for report in list(held_back)[:1] for put in together(report, facts.shown))


WATCH = Watch(TYPES, completes=completes, gather=gather, check=check, follows=follows)
