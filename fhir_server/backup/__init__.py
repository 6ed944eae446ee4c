"""Backups: the whole database as of one moment in one file, and back again; docs/upkeep.md has the format."""
