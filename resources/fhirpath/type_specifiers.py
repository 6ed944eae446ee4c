"""Names of types in expressions, and what is of which type.

`FHIR.string` and `System.String` are two types; a name without a model is looked for in FHIR first.

Source: http://hl7.org/fhirpath/N1/#models, https://hl7.org/fhir/R4/fhirpath.html#types
"""

from dataclasses import dataclass
from functools import cache

from resources.definitions import structure, type_names
from resources.fhirpath.errors import FhirPathEvaluationError

_SYSTEM_TYPES = frozenset(
    ("Any", "Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity")
)


@dataclass(frozen=True, slots=True)
class TypeSpecifier:
    """A type that an expression names: in FHIR, in System, or (`Quantity`) in both; None where it is not."""

    fhir: str | None
    system: str | None


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """What `type()` returns; `baseType` is qualified, "" for the types that specialise nothing."""

    namespace: str
    name: str
    base_type: str

    def member(self, name: str) -> list[str]:
        """Return the value of a property under its FHIRPath name, as a collection."""
        value = {"namespace": self.namespace, "name": self.name, "baseType": self.base_type}.get(name)
        return [value] if value else []


@cache
def _fhir_types() -> frozenset[str]:
    kinds = type_names("resource") + type_names("complex-type") + type_names("primitive-type")
    return frozenset(kinds)


@cache
def type_specifier(text: str) -> TypeSpecifier:
    """Return the type that a name means; FhirPathEvaluationError if there is none.

    A name in the model System that is unknown is no error: nothing is of such a type.
    """
    namespace, _, name = text.rpartition(".")
    if namespace == "System":
        return TypeSpecifier(None, name)
    fhir = name if name in _fhir_types() and namespace in ("", "FHIR") else None
    system = name if name in _SYSTEM_TYPES and namespace == "" else None
    if fhir is None and system is None:
        raise FhirPathEvaluationError(f"there is no type '{text}'")
    return TypeSpecifier(fhir, system)


def is_type_name(name: str) -> bool:
    """Tell whether FHIR has a resource type or complex data type of that name."""
    return name in _fhir_types() and name[0].isupper()


@cache
def is_a(type_name: str, ancestor: str) -> bool:
    """Tell whether a FHIR type is `ancestor` or a specialisation of it."""
    found: str | None = type_name
    while found is not None and found != ancestor:
        found = structure(found).base
    return found == ancestor


def fhir_type_info(type_name: str) -> TypeInfo:
    """Return what `type()` says of an element."""
    base = structure(type_name).base
    return TypeInfo("FHIR", type_name, f"FHIR.{base}" if base else "")


def system_type_info(type_name: str) -> TypeInfo:
    """Return what `type()` says of a value of FHIRPath's own types."""
    return TypeInfo("System", type_name, "System.Any")
