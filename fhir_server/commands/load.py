"""`fhir-server load`: files of FHIR resources into any FHIR server."""

import asyncio
from pathlib import Path

import click
import httpx
from rich.console import Console

from fhir_server.commands.signing_in import SignIn, signing_in
from fhir_server.loader import order
from fhir_server.loader.files import find_files, read
from fhir_server.loader.loading import Report, load_into
from fhir_server.loader.progress import summarise, watching

DEFAULT_URL = "http://127.0.0.1:8000/fhir"


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--url", default=DEFAULT_URL, show_default=True, help="Base address of the FHIR server.")
@click.option(
    "--concurrency", default=4, show_default=True, type=click.IntRange(1, 64), help="Requests at a time."
)
@click.option(
    "--header", "headers", multiple=True, metavar="NAME: VALUE", help="Header to send, such as Authorization."
)
@signing_in
def load(
    paths: tuple[Path, ...], url: str, concurrency: int, headers: tuple[str, ...], sign_in: SignIn
) -> None:
    """Load files and folders of FHIR resources over the REST interface.

    Reads .json and .ndjson, also with .gz or .bz2: Bundles and single resources. Hospitals and practitioners
    go first. What fails is listed, does not stop the rest, and makes the exit code 1.
    """
    files = find_files(paths)
    if not files:
        raise click.ClickException("There is no .json or .ndjson file (or .gz or .bz2 of one) to load")
    report = Report(total=sum(file.stat().st_size for file in files))
    waves = [(part for file in wave for part in read(file)) for wave in order.in_waves(files)]
    sent_headers = parse_headers(headers)
    check_server(url, sent_headers)
    auth, console = sign_in.at(url), Console()
    with watching(console) as progress:
        asyncio.run(
            load_into(url, waves, report, progress, concurrency=concurrency, headers=sent_headers, auth=auth)
        )
    summarise(console, report)
    if report.failures:
        raise SystemExit(1)


def parse_headers(headers: tuple[str, ...]) -> dict[str, str]:
    """Return `NAME: VALUE` pairs as a dictionary; raises click.BadParameter for what is none."""
    pairs: dict[str, str] = {}
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise click.BadParameter(f"'{header}' is not NAME: VALUE", param_hint="--header")
        pairs[name.strip()] = value.strip()
    return pairs


def check_server(url: str, headers: dict[str, str] | None = None) -> None:
    """Raise click.ClickException, in one line, if nothing answers at `url`."""
    try:
        httpx.get(f"{url.rstrip('/')}/metadata", headers=headers, timeout=30.0)
    except (httpx.RequestError, httpx.InvalidURL) as failure:
        raise click.ClickException(f"No FHIR server answers at {url} ({failure})") from None
