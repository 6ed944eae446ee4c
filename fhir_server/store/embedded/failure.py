"""The one way in which starting a MongoDB fails."""


class CannotStart(Exception):
    """MongoDB cannot be started or used; the message is one line for the person who started the server."""
