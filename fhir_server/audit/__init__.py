"""Who did what, when, from where and about whom: AuditEvents of all that is done, Provenances of all changes.

The patterns are those of IHE: https://profiles.ihe.net/ITI/BALP/. docs/audit.md explains it.
"""
