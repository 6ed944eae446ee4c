"""The processes that `fhir-server serve` runs: workers that share a port, and who looks after them."""
