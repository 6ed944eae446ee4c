"""The table of the hospital's own about money: services for events, taxes and discounts (`tariff.toml`)."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any, Literal

_DEFAULT = Path(__file__).with_name("tariff.toml")
_SELF_PAY = "self-pay"


@dataclass(frozen=True, slots=True)
class Service:
    """What an event is charged as if no definition is for its own code."""

    event: str
    service: str
    codes: frozenset[str] = frozenset()
    ward: str | None = None
    per_day: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """A tax or discount: its `rate` of what lines of some services (none: of all) cost."""

    kind: Literal["tax", "discount"]
    code: str
    rate: Decimal
    services: frozenset[str] = frozenset()
    self_pay_only: bool = False

    def applies(self, codes: set[str], *, self_pay: bool) -> bool:
        """Tell whether it is for a charge that has one of `codes`."""
        fits = not self.services or not self.services.isdisjoint(codes)
        return fits and (self_pay or not self.self_pay_only)


@dataclass(frozen=True, slots=True)
class Tariff:
    """The whole table."""

    currency: str
    card_minutes: int
    services: tuple[Service, ...]
    shares: tuple[Share, ...]


@cache
def load_tariff(path: Path | None = None) -> Tariff:
    """Return the table of the file, without one that which comes with the server; raise ValueError."""
    try:
        data = tomllib.loads((path or _DEFAULT).read_text(encoding="utf-8"), parse_float=Decimal)
        taxes = [_share("tax", one) for one in data.get("tax", ())]
        discounts = [_share("discount", one) for one in data.get("discount", ())]
        return Tariff(
            currency=data["currency"],
            card_minutes=int(data.get("card_minutes", 60)),
            services=tuple(_service(one) for one in data.get("service", ())),
            shares=(*discounts, *taxes),
        )
    except (OSError, KeyError, TypeError, InvalidOperation, tomllib.TOMLDecodeError) as failure:
        raise ValueError(f"not a table of services, taxes and discounts: {failure}") from failure


def _service(entry: Mapping[str, Any]) -> Service:
    return Service(
        event=entry["event"],
        service=entry["service"],
        codes=frozenset(entry.get("codes", ())),
        ward=entry.get("ward"),
        per_day=entry.get("per") == "day",
    )


def _share(kind: Literal["tax", "discount"], entry: Mapping[str, Any]) -> Share:
    rate = Decimal(str(entry["rate"]))
    if not 0 <= rate <= 1:
        raise ValueError("a rate is from 0 to 1")
    services = frozenset(entry.get("services", ()))
    return Share(kind, entry["code"], rate, services, entry.get("when") == _SELF_PAY)
