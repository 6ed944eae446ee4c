"""People who may sign in: passwords, second factors, sessions, and the pages for them."""
