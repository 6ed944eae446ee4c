"""W2: what of a patient's own record who may change; docs/workflows/registration.md."""
