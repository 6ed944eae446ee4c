"""What a hospital sets of its own work: the part of the settings that only `workflows` looks at.

Each is a field of `fhir_server.settings.Settings`, read from the environment with all the others.
"""

from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from adapters.payers.rule_based import load_payer
from adapters.sms.http import HttpTextGateway
from fhir_server.workflows.billing.tariff import load_tariff
from fhir_server.workflows.medication.medicines import medicines
from fhir_server.workflows.messages.texts import load_texts
from fhir_server.workflows.orders.bookable import bookable
from fhir_server.workflows.scheduling.visit_types import load_visit_types


class WorkflowSettings(BaseSettings):
    """The settings of the rules, messages, appointments, results, stock and money of the hospital."""

    workflows_off: str | None = Field(
        default=None,
        description="Rules of the hospital's work that do not hold, with commas: of a pattern (`W3`), single "
        "ones (`W3.past-start`) or `all`",
    )
    workflows_warn: str | None = Field(
        default=None, description="Those that are only told of in the log if they are broken"
    )
    mail_dir: Path | None = Field(
        default=None,
        description="Folder into which e-mail and text messages are put as files instead of being sent; "
        "for trials",
    )
    sms_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s?#]+$",
        description="Address of the gateway for text messages, by https; without it none are sent",
    )
    sms_token: SecretStr | None = Field(default=None, description="Token that this gateway wants")
    time_zone: str = Field(
        default="UTC",
        description="Time zone of the hospital, such as `Europe/Berlin`, in which messages tell times",
    )
    quiet_hours: str | None = Field(
        default=None,
        pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$",
        description="Hours, such as `21:00-07:30`, in which patients get urgent messages only; the others "
        "wait for the end",
    )
    messages_per_hour: int = Field(
        default=30,
        ge=1,
        le=10_000,
        description="Messages to one recipient within an hour; more of them wait, unless they are urgent",
    )
    message_texts: Path | None = Field(
        default=None,
        description="File of the hospital's own texts of messages, and those in other languages",
    )
    answer_hours: float = Field(
        default=24.0,
        gt=0,
        le=720,
        description="Hours after which a patient's message that nobody answered becomes a Task",
    )
    emergency_minutes_to_accept: float = Field(
        default=5, gt=0, le=1440, description="Minutes in which somebody is to accept an emergency (ESI 1, 2)"
    )
    record_number_system: str = Field(
        default="urn:fhir-hospital-server:medical-record-number",
        description="System (URI) of the medical record numbers that the server gives",
    )
    record_number_format: str = Field(
        default="{number:07d}{check}",
        description="How they are written: `{number:07d}` is the running number, `{check}` its check digit",
    )
    record_number_clients: str | None = Field(
        default=None,
        description="Applications, with commas, that bring medical record numbers with new patients",
    )
    duplicate_patients: Literal["refuse", "allow"] = Field(
        default="refuse",
        description="Whether a new patient who is certainly one that is registered is refused (409)",
    )
    tariff: Path | None = Field(
        default=None,
        description="File of services, taxes and discounts; without one that which comes with the server",
    )
    card_terminal: Literal["off", "simulated"] = Field(
        default="off",
        description="Terminal for cards at the desk; `simulated` is one without a device, for trials",
    )
    stripe_secret_key: SecretStr | None = Field(
        default=None, description="Secret key of the hospital's account at Stripe; without it none pays by it"
    )
    stripe_webhook_secret: SecretStr | None = Field(
        default=None,
        description="Secret by which Stripe signs what it sends to `/payments/stripe`; needed with the key",
    )
    stripe_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s?#]+$",
        description="Address of Stripe's interface, if it is not Stripe's own; for trials",
    )
    payers: Path | None = Field(
        default=None,
        description="File of what insurers pay; without one that which comes with the server",
    )
    stock_expiry_days: int = Field(
        default=30, ge=1, le=730, description="Days before a lot in stock expires at which there is a Flag"
    )
    results_need_order: Literal["off", "on"] = Field(
        default="off", description="Whether results and reports must answer an order"
    )
    result_release_hours: float | None = Field(
        default=None,
        ge=0,
        le=8760,
        description="Hours after which a final result is released to the patient by itself; without it only "
        "by `$release`",
    )
    critical_minutes: float = Field(
        default=30, gt=0, le=1440, description="Minutes in which a critical result is to be acknowledged"
    )
    critical_escalation: str | None = Field(
        default=None,
        description="Who is told as well if it is not, such as `Practitioner/1` or `PractitionerRole/1`",
    )
    self_bookable_tests: Path | None = Field(
        default=None, description="File of the tests that patients may order themselves; without one our own"
    )
    hold_minutes: float = Field(
        default=10, gt=0, le=1440, description="Minutes for which `Appointment/$hold` keeps a slot"
    )
    request_hours: float = Field(
        default=48, gt=0, le=2160, description="Hours in which a doctor answers a request for an appointment"
    )
    offer_hours: float = Field(
        default=4,
        gt=0,
        le=168,
        description="Hours for which one on the waiting list is offered a slot",
    )
    cancel_hours: float = Field(
        default=24, ge=0, le=720, description="Hours before its start until which patients move or cancel one"
    )
    join_minutes: int = Field(
        default=15, ge=0, le=240, description="Minutes before its start from which a visit by video is joined"
    )
    visit_url: str | None = Field(
        default=None,
        pattern=r"^https://[^\s?#]+$",
        description="Address of the rooms for visits by video, such as `https://meet.example.org`",
    )
    holidays: str | None = Field(
        default=None,
        pattern=r"^((\d{4}-)?\d\d-\d\d)(,(\d{4}-)?\d\d-\d\d)*$",
        description="Days without slots, such as `12-25,01-01,2027-03-29`",
    )
    visit_types: Path | None = Field(
        default=None, description="File of the kinds of visits that need an order; without one our own"
    )
    paper_link_hours: float = Field(
        default=72, gt=0, le=8760, description="Hours for which a link to a paper in an e-mail opens it"
    )
    interactions: Path | None = Field(
        default=None, description="File of classes and interactions of medicines; without one our own"
    )

    @field_validator("record_number_format")
    @classmethod
    def _tells_numbers_apart(cls, form: str) -> str:
        try:
            written = {form.format(number=number, check=0) for number in (1, 2, 10**9, 10**9 + 1)}
        except (ValueError, KeyError, IndexError, AttributeError):
            raise ValueError("it is text with {number} and, if wanted, {check}") from None
        if len(written) < 4:
            raise ValueError("it has to have {number} in it")
        return form

    @field_validator("interactions")
    @classmethod
    def _are_medicines(cls, path: Path | None) -> Path | None:
        try:
            medicines(path)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            raise ValueError(f"{path} is no table of medicines and interactions") from None
        return path

    @field_validator("self_bookable_tests")
    @classmethod
    def _are_tests(cls, path: Path | None) -> Path | None:
        try:
            bookable(path)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            raise ValueError(f"{path} is no table of tests") from None
        return path

    @field_validator("payers")
    @classmethod
    def _are_payers(cls, path: Path | None) -> Path | None:
        load_payer(path)
        return path

    @field_validator("tariff")
    @classmethod
    def _is_tariff(cls, path: Path | None) -> Path | None:
        load_tariff(path)
        return path

    @field_validator("visit_types")
    @classmethod
    def _are_visit_types(cls, path: Path | None) -> Path | None:
        load_visit_types(path)
        return path

    @field_validator("time_zone")
    @classmethod
    def _is_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("there is no such time zone") from None
        return name

    @field_validator("message_texts")
    @classmethod
    def _are_texts(cls, path: Path | None) -> Path | None:
        load_texts(path)
        return path

    @field_validator("sms_url")
    @classmethod
    def _is_gateway(cls, url: str | None) -> str | None:
        if url is not None:
            HttpTextGateway(url)
        return url
