"""W20, upkeep: support tickets, and what may be removed after which time."""
