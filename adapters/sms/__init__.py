"""Text messages: one interface, by which they go to an HTTP gateway or, for trials, into a folder."""
