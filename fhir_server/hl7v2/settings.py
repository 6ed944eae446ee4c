"""What can be set of HL7 v2 messages; each is a field of `fhir_server.settings.Settings`."""

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from adapters.channel_file import WrongChannels, load_channels
from adapters.strict import is_available


class MessageSettings(BaseSettings):
    """The settings of messages: who sends them, where they are taken, how long they are kept."""

    channels: Path | None = Field(
        default=None,
        description="File of the systems that send HL7 v2 messages; without one none are taken",
    )
    mllp_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="TCP port of this machine alone on which HL7 v2 messages are taken by MLLP; other ports "
        "stand in the file",
    )
    hl7_days: int | None = Field(
        default=None,
        ge=30,
        le=36_500,
        description="Days for which HL7 v2 messages are kept once they are done; without it for ever",
    )

    @field_validator("channels")
    @classmethod
    def _are_channels(cls, path: Path | None) -> Path | None:
        if path is not None:
            try:
                found = load_channels(path)
            except WrongChannels as failure:
                raise ValueError(str(failure)) from None
            if any(one.strict for one in found.channels) and not is_available():
                raise ValueError("strict = true needs hl7apy: pip install 'fhir-hospital-server[strict]'")
        return path
