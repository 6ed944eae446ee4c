"""`fhir-server version`: what is installed, for a report of a fault."""

import platform
from importlib.metadata import version as version_of

import click

from fhir_server import __version__

_TOLD = ("fastapi", "pymongo", "uvicorn")


@click.command()
def version() -> None:
    """Print the versions of the server, of FHIR, Python and the libraries that matter most."""
    click.echo(f"fhir-server {__version__}")
    click.echo("FHIR 4.0.1")
    click.echo(f"Python {platform.python_version()} on {platform.platform()}")
    for distribution in _TOLD:
        click.echo(f"{distribution} {version_of(distribution)}")
