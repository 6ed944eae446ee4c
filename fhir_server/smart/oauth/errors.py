"""What is told to an application that asks for something it cannot have.

https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1, https://www.rfc-editor.org/rfc/rfc6749#section-5.2
"""

from collections.abc import Mapping

_UNAUTHORIZED = 401


class OAuthError(Exception):
    """A refusal: `error` is a code of the specification, `description` a sentence without personal data."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status

    @property
    def document(self) -> Mapping[str, str]:
        """The refusal as JSON."""
        return {"error": self.error, "error_description": self.description}


class UnknownRedirect(Exception):
    """Neither the application nor the address to send the person back to is certain: only a page may tell."""


def invalid_client(description: str) -> OAuthError:
    """Return the refusal of an application that did not prove who it is."""
    return OAuthError("invalid_client", description, _UNAUTHORIZED)


def invalid_grant(description: str) -> OAuthError:
    """Return the refusal of a code, a refresh token or an assertion."""
    return OAuthError("invalid_grant", description)


def invalid_request(description: str) -> OAuthError:
    """Return the refusal of a request that is malformed, or lacks something."""
    return OAuthError("invalid_request", description)
