"""What patients measure themselves, and what their devices send; docs/workflows/registration.md."""
