"""A day in the hospital: what its people do from morning to evening, each with a token of their own.

Everything goes through the REST interface of a server that is started for the day, as applications would do
it. docs/demo-day.md shows what is printed.
"""
