"""E-mail: one interface, by which it goes to a mail server or, for trials, into a folder."""
