"""Secrets that stand in files of their own, such as Docker and systemd hand to a program.

https://docs.docker.com/reference/compose-file/secrets/, https://systemd.io/CREDENTIALS/
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

_SUFFIX = "_FILE"
_MOST_BYTES = 64 * 1024


def file_variable(variable: str) -> str:
    """Return the environment variable that names the file with the value of `variable`."""
    return variable + _SUFFIX


def read_secrets(variables: Iterable[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the values of those `variables` of `environment` that stand in files, without the line's end.

    Raises ValueError, which names the variable and does not tell what is in the file, if the file cannot be
    read, or the value is there twice.
    """
    found = {}
    for variable in variables:
        name = file_variable(variable)
        if path := environment.get(name):
            if environment.get(variable):
                raise ValueError(f"{variable} and {name} are both set")
            found[variable] = _read(name, Path(path))
    return found


def without_secrets(variables: Iterable[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return `environment` without `variables` and their files: for programs that need to know neither."""
    hidden = {name for variable in variables for name in (variable, file_variable(variable))}
    return {name: value for name, value in environment.items() if name not in hidden}


def _read(name: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        text = content.decode()
    except OSError as failure:
        raise ValueError(f"{name}: {path} cannot be read ({failure.strerror})") from None
    except UnicodeDecodeError:
        text = ""
    secret = text.rstrip("\r\n")
    if not secret or len(content) > _MOST_BYTES or "\n" in secret:
        raise ValueError(f"{name}: {path} holds no secret, which is one line of UTF-8")
    return secret
