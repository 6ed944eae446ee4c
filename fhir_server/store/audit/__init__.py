"""How AuditEvents are kept so that whoever changes, removes or reorders one is found out."""
