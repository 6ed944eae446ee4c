"""Indexing what is stored by search parameters that are new, beside everybody who works meanwhile.

See `docs/search-parameters.md` and `docs/decisions/0018-custom-search-parameters.md`.
"""
