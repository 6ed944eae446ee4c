"""The pages that people see: templates, how they are sent, and the tokens of their forms."""
