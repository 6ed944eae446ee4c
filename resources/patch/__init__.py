"""Patches: a change to a resource, as JSON Patch, XML Patch or FHIRPath Patch has it.

Source: https://hl7.org/fhir/R4/http.html#patch
"""

from resources.patch.fhirpath_patch import apply as apply_fhirpath_patch
from resources.patch.json_patch import apply as apply_json_patch
from resources.patch.xml_patch import apply as apply_xml_patch

__all__ = ["apply_fhirpath_patch", "apply_json_patch", "apply_xml_patch"]
