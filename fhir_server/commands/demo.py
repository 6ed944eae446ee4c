"""`fhir-server demo`: the demo hospital into a FHIR server or into a folder, and a day in it."""

from pathlib import Path

import click
import httpx
from rich.console import Console

from fhir_server.commands.load import DEFAULT_URL, check_server
from fhir_server.commands.signing_in import SignIn, signing_in
from fhir_server.demo.generation import PATIENTS, SEED, hospital_parts, today
from fhir_server.demo.loading import book_stock, is_empty, load_demo, write_demo
from fhir_server.loader.loading import Report
from fhir_server.loader.progress import summarise, watching


@click.group(invoke_without_command=True)
@click.option("--url", default=DEFAULT_URL, show_default=True, help="Base address of the FHIR server.")
@click.option(
    "--patients", default=PATIENTS, show_default=True, type=click.IntRange(0, 9999), help="How many patients."
)
@click.option("--seed", default=SEED, show_default=True, help="Another number makes other people.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write Bundles into this folder instead of loading them.",
)
@click.option("--if-empty", is_flag=True, help="Do nothing if the server has patients or organisations.")
@signing_in
@click.pass_context
def demo(
    context: click.Context,
    url: str,
    patients: int,
    seed: int,
    output: Path | None,
    if_empty: bool,
    sign_in: SignIn,
) -> None:
    """Load the demo hospital: wards, staff, free slots, and patients with their records.

    It is the same for the same day, seed and number of patients. Loading it again adds nothing.
    """
    if context.invoked_subcommand is not None:
        return
    if output:
        number = write_demo(output, hospital_parts(today(), patients=patients, seed=seed))
        click.echo(f"{number} Bundles written to {output}; load them with: fhir-server load {output}")
        return
    check_server(url)
    auth = sign_in.at(url)
    if if_empty and not _is_empty(url, auth):
        click.echo("The server has records already: the demo hospital is not loaded.")
        return
    console, report = Console(), Report()
    parts = hospital_parts(today(), patients=patients, seed=seed)
    with watching(console) as progress:
        load_demo(url, parts, report, progress, auth=auth)
    summarise(console, report)
    if report.failures:
        raise SystemExit(1)
    try:
        book_stock(url, auth)
    except httpx.HTTPError as failure:
        raise click.ClickException(f"The movements of stock are not booked ({failure})") from None


@demo.command()
@click.option(
    "--papers",
    default=Path("demo-day"),
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the PDFs of the day.",
)
def day(papers: Path) -> None:
    """Spend a day in the demo hospital: from a registration to a receipt, each by whose work it is.

    Starts a server of its own, with a database that is gone afterwards, and does everything through the REST
    interface. The exit code is 1 if anything is not as it has to be.
    """
    from fhir_server.demo.day.story import spend  # which needs the server

    console = Console()
    if not spend(console, papers):
        raise SystemExit(1)


def _is_empty(url: str, auth: httpx.Auth | None) -> bool:
    try:
        return is_empty(url, auth)
    except (httpx.HTTPError, ValueError, KeyError) as failure:
        raise click.ClickException(f"{url} does not say what it has ({failure})") from None
