"""The rules of accounts. docs/accounts.md"""

from fhir_server.workflows.pattern import Rule

REFERENCED = Rule(
    "W18.referenced",
    "Who others refer to is not deleted, but made inactive.",
    409,
    "conflict",
)
LAST_ADMINISTRATOR = Rule(
    "W18.last-administrator", "There is an administrator who is active at any time.", 409, "conflict"
)
OWN_ROLES = Rule("W18.own-account", "Nobody gives themselves roles, or takes them.", 403, "forbidden")
NAME_TAKEN = Rule("W18.name-taken", "A user name is one person's.", 409, "duplicate")
HAS_ACCOUNT = Rule("W18.has-account", "A person has one account.", 409, "duplicate")
ROLE = Rule("W18.role", "Patients and those who act for them are PT; staff have the other roles.")
NO_ACCOUNT = Rule("W18.no-account", "Roles are those of an account.", 404, "not-found")

RULES = (REFERENCED, LAST_ADMINISTRATOR, OWN_ROLES, NAME_TAKEN, HAS_ACCOUNT, ROLE, NO_ACCOUNT)
