"""The hospital's work as rules: one module (or folder) for each pattern W1 to W20, and what they share.

docs/workflows.md lists the patterns, their states and their rules.
"""
