"""W1: who is registered, under which number, once, and with which history; docs/workflows/registration.md."""
