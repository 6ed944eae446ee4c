"""Who may see and do what. It is decided here and nowhere else.

What is decided goes with the store (`fhir_server/store/guarding.py`): a store that is looked at for a caller
has nothing in it that this caller may not see, on whatever path it is asked.
"""
