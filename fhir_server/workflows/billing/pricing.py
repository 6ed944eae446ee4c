"""What a charge costs: by its definition, by itself, and by the hospital's taxes and discounts.

https://hl7.org/fhir/R4/chargeitemdefinition.html, https://hl7.org/fhir/R4/invoice-definitions.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fhir_server.workflows.billing.money import ZERO, decimal, money, rounded, value_of
from fhir_server.workflows.billing.rules import NO_PRICE
from fhir_server.workflows.billing.tariff import Tariff
from resources.fhirpath import FhirPathEvaluationError, FhirPathSyntaxError, evaluate

Resource = Mapping[str, Any]
_LESSENING = frozenset({"deduction", "discount"})
_FHIRPATH = "text/fhirpath"
TARIFF = "urn:fhir-hospital-server:tariff"
"""The code system of the taxes and discounts in the hospital's table."""


@dataclass(frozen=True, slots=True)
class Component:
    """A part of a price: its kind (base, surcharge, deduction, discount, tax), the amount with its sign."""

    type: str
    amount: Decimal
    code: Mapping[str, Any] | None = None
    factor: Decimal | None = None

    def element(self, currency: str) -> dict[str, Any]:
        """Return it as an element of an Invoice."""
        told = {"code": self.code, "factor": self.factor}
        return {
            "type": self.type,
            **{name: value for name, value in told.items() if value is not None},
            "amount": money(self.amount, currency),
        }


def definition_urls(charge: Resource) -> list[str]:
    """Return the canonical URLs of the definitions of a charge, without versions."""
    told = [*charge.get("definitionCanonical", ()), *charge.get("definitionUri", ())]
    return [url.partition("|")[0] for url in told]


def components(
    charge: Resource, definition: Resource | None, tariff: Tariff, *, self_pay: bool
) -> list[Component]:
    """Return what a charge costs, part by part, each of them in whole cents.

    A price that stands on the charge itself counts instead of the definition's base price. Raises the
    refusal of `NO_PRICE` if neither says one.
    """
    quantity = decimal((charge.get("quantity") or {}).get("value", 1))
    told = _of_definition(charge, definition)
    base = _base(charge, told, quantity)
    found = [Component("base", base)]
    others = (one for one in told if one["type"] not in {"base", "informational"})
    found += [_component(one, base, quantity) for one in others]
    codes = {coding.get("code") for coding in charge.get("code", {}).get("coding", ())}
    for share in tariff.shares:
        if share.applies(codes, self_pay=self_pay):
            of = (
                base
                if share.kind == "discount"
                else sum((one.amount for one in found if one.type != "tax"), ZERO)
            )
            amount = rounded(of * share.rate) * (-1 if share.kind == "discount" else 1)
            named = {"coding": [{"system": TARIFF, "code": share.code}]}
            found.append(Component(share.kind, amount, named, share.rate))
    return found


def price(charge: Resource, definition: Resource | None) -> Decimal:
    """Return the base price of a charge as it is written on it, where its factor multiplies it once more.

    Raises the refusal of `NO_PRICE` as `components` does.
    """
    quantity = decimal((charge.get("quantity") or {}).get("value", 1))
    return _base({**charge, "factorOverride": 1}, _of_definition(charge, definition), quantity)


def currency_of(charge: Resource, definition: Resource | None, default: str) -> str:
    """Return the currency of a charge: its own, that of its definition, or the hospital's."""
    own = (charge.get("priceOverride") or {}).get("currency")
    if own:
        return str(own)
    amounts = (one.get("amount", {}).get("currency") for one in _of_definition(charge, definition))
    return next((str(one) for one in amounts if one), default)


def net(parts: Iterable[Component]) -> Decimal:
    """Return what it costs without tax."""
    return sum((one.amount for one in parts if one.type != "tax"), ZERO)


def gross(parts: Iterable[Component]) -> Decimal:
    """Return what it costs with tax."""
    return sum((one.amount for one in parts), ZERO)


def read_components(elements: Iterable[Mapping[str, Any]]) -> list[Component]:
    """Return the price components of a line as it stands on an invoice, but for what only informs.

    Some write what a discount takes off as less than nought, some do not; both mean the same.
    """
    told = [one for one in elements if one["type"] != "informational"]
    base = sum((value_of(one.get("amount")) for one in told if one["type"] == "base"), ZERO)
    return [
        Component(
            one["type"],
            _signed("discount", value_of(one.get("amount")), base)
            if one["type"] in _LESSENING
            else value_of(one.get("amount")),
            one.get("code"),
            decimal(one["factor"]) if "factor" in one else None,
        )
        for one in told
    ]


def _base(charge: Resource, told: Sequence[Resource], quantity: Decimal) -> Decimal:
    factor = decimal(charge.get("factorOverride", 1))
    if "priceOverride" in charge:
        return rounded(value_of(charge["priceOverride"]) * factor)
    bases = [one for one in told if one["type"] == "base" and "amount" in one]
    if not bases:
        raise NO_PRICE.error(f"ChargeItem/{charge.get('id', '')} has no price", "ChargeItem.priceOverride")
    each = sum((value_of(one["amount"]) * decimal(one.get("factor", 1)) for one in bases), ZERO)
    return rounded(each * quantity * factor)


def _component(told: Resource, base: Decimal, quantity: Decimal) -> Component:
    """Return a part that the definition tells: a share of the base price, or an amount for each unit."""
    factor = decimal(told["factor"]) if "factor" in told else None
    if "amount" in told:
        amount = value_of(told["amount"]) * quantity * (1 if factor is None else factor)
    else:
        amount = base * (factor or 0)
    return Component(told["type"], _signed(told["type"], rounded(amount), base), told.get("code"), factor)


def _signed(kind: str, amount: Decimal, base: Decimal) -> Decimal:
    """Return the amount as it counts: a credit, whose base is less than nought, gives everything back."""
    is_less = (kind in _LESSENING) != (base < 0)
    return -abs(amount) if is_less else abs(amount)


def _of_definition(charge: Resource, definition: Resource | None) -> list[Resource]:
    if definition is None or not _is_applicable(definition, charge):
        return []
    groups = (one for one in definition.get("propertyGroup", ()) if _is_applicable(one, charge))
    return [part for group in groups for part in group.get("priceComponent", ())]


def _is_applicable(told: Resource, charge: Resource) -> bool:
    """Tell whether all expressions of FHIRPath about the charge hold; others cannot be asked here."""
    for one in told.get("applicability", ()):
        if one.get("language", _FHIRPATH) != _FHIRPATH:
            return False
        if "expression" in one:
            try:
                if evaluate(one["expression"], dict(charge)) != [True]:
                    return False
            except (FhirPathSyntaxError, FhirPathEvaluationError):
                return False
    return True
