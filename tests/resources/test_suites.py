"""The page that tells how HL7's suites fare says what they give."""

import pytest

from tests.resources.fhirpath.test_hl7_suite import SUITE
from tests.resources.suites import PAGE, page


@pytest.mark.skipif(not SUITE.exists(), reason="needs ../shared/data/fhir-test-cases")
def test_the_page_is_up_to_date() -> None:
    """Write it anew with `.venv/bin/python -m tests.resources.suites`."""
    assert PAGE.read_text() == page()
