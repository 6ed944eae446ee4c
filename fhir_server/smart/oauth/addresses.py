"""The addresses of the authorization server, all derived from that of the FHIR interface."""

from dataclasses import dataclass
from urllib.parse import urlsplit

_FHIR_PATH = "/fhir"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where things are, as the outside sees them; `fhir` is the base of the FHIR interface."""

    fhir: str

    @property
    def issuer(self) -> str:
        """The address of the whole server, which is the issuer of tokens; it has no slash at the end."""
        if self.fhir.endswith(_FHIR_PATH):
            return self.fhir.removesuffix(_FHIR_PATH)
        parts = urlsplit(self.fhir)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def token(self) -> str:
        """The token endpoint, which is the audience of assertions."""
        return self.of("token")

    def of(self, endpoint: str) -> str:
        """Return the address of an endpoint such as `authorize`."""
        return f"{self.issuer}/oauth/{endpoint}"
