"""Papers as PDF: what stands on them can be read, and is the same each time."""

import io
from dataclasses import replace

import pytest
from pypdf import PdfReader

from fhir_server.papers.paper import Column, Facts, Paper, Paragraph, Section, Table
from fhir_server.papers.rendering import render

INVOICE = Paper(
    title="Invoice",
    issuer=("General Hospital", "1 Main Street, Springfield", "Tel. 555 0100"),
    number="INV-2027-000042",
    version="2",
    date="2027-03-08",
    code="https://hospital.example/verify/abc",
    code_note="Check this paper at https://hospital.example/verify/abc",
    signature="Connie Martinez, billing",
    sections=(
        Section(
            "", (Facts((("Patient", "Zoë Müller-Ibáñez"), ("Born", "1970-03-30"), ("MRN", "MR-00042"))),)
        ),
        Section(
            "Services",
            (
                Table(
                    (Column("Service", 3), Column("Quantity", 1, "right"), Column("Amount", 1, "right")),
                    [
                        *[(f"Laboratory panel {number}", "1", "46.50 USD") for number in range(60)],
                        ("Net", "", "2,790.00 USD"),
                        ("Total", "", "2,790.00 USD"),
                    ],
                    sums=2,
                ),
            ),
        ),
        Section("Notes", (Paragraph("Pay <b>soon</b> & in full.\nThank you."),)),
    ),
)


def text_of(pdf: bytes) -> str:
    """Return the text of all pages."""
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


def test_all_of_it_can_be_read() -> None:
    """Letterhead, facts, rows, sums, notes and the foot of each page are there; markup in a text is text."""
    reader = PdfReader(io.BytesIO(render(INVOICE)))
    text = text_of(render(INVOICE))
    for part in (
        *("General Hospital", "INV-2027-000042", "version 2", "Zoë Müller-Ibáñez", "MR-00042", "2027-03-08"),
        *("Laboratory panel 59", "2,790.00 USD", "Pay <b>soon</b> & in full.", "Connie Martinez, billing"),
        *("Check this paper at", f"1 / {len(reader.pages)}", f"{len(reader.pages)} / {len(reader.pages)}"),
    ):
        assert part in text, part
    assert len(reader.pages) > 1
    assert reader.metadata is not None
    assert reader.metadata.title == "Invoice"


def test_the_same_paper_is_the_same_bytes() -> None:
    """So that a paper that is made again is known to be the same; another one is not."""
    assert render(INVOICE) == render(INVOICE)
    assert render(INVOICE) != render(replace(INVOICE, number="INV-2027-000043"))


def test_a_long_table_repeats_its_heading() -> None:
    """Each page of it says what stands in which column."""
    pages = PdfReader(io.BytesIO(render(INVOICE))).pages
    assert all("Quantity" in page.extract_text() for page in pages[:-1])


@pytest.mark.parametrize("name", ["山田太郎", "محمد", "Иван", "a" * 3000, "", "\x00", "😀"])
def test_no_name_stops_a_paper(name: str) -> None:
    """Letters that the fonts do not have are boxes, and words without end are cut into lines."""
    section = Section(
        "", (Facts((("Patient", name),)), Paragraph(name), Table((Column("Name"),), ((name,),)))
    )
    assert render(replace(INVOICE, title=name, sections=(section,))).startswith(b"%PDF-")


def test_a_preliminary_paper_says_so() -> None:
    """The mark is on every page."""
    reader = PdfReader(io.BytesIO(render(replace(INVOICE, mark="PRELIMINARY"))))
    assert all("PRELIMINARY" in page.extract_text() for page in reader.pages)
