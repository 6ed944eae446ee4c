"""W14, messages: notices by e-mail and text message, what staff ask to be sent, and threads with patients."""
