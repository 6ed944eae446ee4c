"""What may be asked for: each entry is drawn once the server answers it."""

SUPPORTED = frozenset(
    {
        *("exact", "contains", "not", "text", "in", "not-in", "above", "below", "of-type", "identifier"),
        *("ucum", "chain", "has", "filter", "list", "include", "compartment"),
    }
)
"""Modifiers, and the kinds of questions that the drawing knows besides plain parameters."""
