"""Discharge summaries: what they consist of, their states, and the rules.

https://hl7.org/fhir/R4/composition.html, https://loinc.org/18842-5
"""

from collections.abc import Mapping
from typing import Any

from fhir_server.workflows.made import has_code
from fhir_server.workflows.pattern import Rule, StateTable

Resource = Mapping[str, Any]

LOINC = "http://loinc.org"
SUMMARY = "18842-5"
INSTRUCTIONS = "69730-0"
COURSE = "8648-8"
FOLLOW_UP = "18776-5"
SECTIONS: Mapping[str, str] = {
    "11535-2": "Diagnoses",
    COURSE: "Hospital course",
    "47519-4": "Procedures",
    "10183-2": "Medications",
    FOLLOW_UP: "Follow-up",
    INSTRUCTIONS: "Instructions",
}
"""The sections that a summary has, by their LOINC codes."""
SIGNED = frozenset({"final", "amended"})

STATE = Rule("W13.summary-state", "A discharge summary is preliminary, then final, and amended after that.")
SIGN = Rule("W13.sign", "A doctor signs a discharge summary, and amends it.", 403, "forbidden")
AUTHOR = Rule("W13.author", "A discharge summary is written by a doctor.")
COMPLETE = Rule("W13.sections", "A signed summary has all its sections, and each says something.")
AMENDED = Rule("W13.amended", "A summary that is changed after it was signed says that it is amended.")
SURGERY = Rule("W13.surgery", "Nobody is discharged during an operation.")
ORDERS = Rule("W13.open-orders", "Before a discharge somebody has looked at the orders that are open.")
OVER = Rule("W13.not-here", "Who is discharged is here.")
RULES = (STATE, SIGN, AUTHOR, COMPLETE, AMENDED, SURGERY, ORDERS, OVER)


def is_summary(composition: Resource) -> bool:
    """Tell whether a Composition is a discharge summary."""
    return has_code(composition.get("type"), LOINC, SUMMARY)


STATES = (
    StateTable(
        "Composition",
        STATE,
        {
            "preliminary": ("final", "entered-in-error"),
            "final": ("amended", "entered-in-error"),
            "amended": ("entered-in-error",),
            "entered-in-error": (),
        },
        applies=is_summary,
    ),
)
