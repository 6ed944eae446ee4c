"""The users of the demo hospital: one of each role, tied to somebody in its records.

Their passwords are drawn anew for each database, as a demo may be reached by others too. They are kept beside
the database, for whoever runs it.
"""

import json
import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fhir_server.demo.tables import rows
from fhir_server.identifiers import new_id
from fhir_server.smart.accounts.passwords import Passwords
from fhir_server.smart.principal import ROLES
from fhir_server.store.accounts import Account, AccountStore

USERS_FILE = "demo-users.json"

# Without those that are mistaken for one another; 16 of them are 78 bits.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP_LETTERS = 4, 4
_PRIVATE_FILE = 0o600


@dataclass(frozen=True, slots=True)
class DemoUser:
    """Somebody who may sign in to the demo; `password` is None if it is not known any more."""

    role: str
    user_name: str
    password: str | None


def new_users() -> list[DemoUser]:
    """Return the users with passwords that nobody had before."""
    return [DemoUser(ROLES[row["role"]], row["user_name"], _new_password()) for row in rows("users")]


async def add_users(users: Sequence[DemoUser], accounts: AccountStore, passwords: Passwords) -> None:
    """Make the accounts of `users`, which have a password; raise NameTaken if there is one of that name."""
    given = {user.user_name: user.password for user in users}
    for row in rows("users"):
        password = given[row["user_name"]] or ""
        account = Account(
            id=new_id(),
            user_name=row["user_name"],
            display_name=f"{row['name']} (demo)",
            password_hash=await passwords.hashed(password),
            roles=(row["role"],),
            fhir_user=row["fhir_user"],
            is_demo=True,
        )
        await accounts.add(account)


def keep(users: Iterable[DemoUser], folder: Path) -> None:
    """Write the users into a file in `folder` that only its owner may read; raise OSError if that fails."""
    path = folder / USERS_FILE
    path.unlink(missing_ok=True)  # of another database that was here
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE), "w") as file:
        json.dump([asdict(user) for user in users], file, indent=1)
        file.write("\n")


def _kept(folder: Path | None) -> dict[str, str]:
    if folder is None:
        return {}
    try:
        listed = json.loads((folder / USERS_FILE).read_text())
        return {one["user_name"]: one["password"] for one in listed}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


async def present_users(accounts: AccountStore, passwords: Passwords, folder: Path | None) -> list[DemoUser]:
    """Return the users that there are, each with the password that is kept if it is still the right one."""
    kept, found = _kept(folder), []
    for row in rows("users"):
        account = await accounts.called(row["user_name"])
        if account is None or not account.is_demo or not account.is_active:
            continue
        password = kept.get(row["user_name"])
        if password is not None and not await passwords.matches(password, account.password_hash):
            password = None
        found.append(DemoUser(ROLES[row["role"]], row["user_name"], password))
    return found


def _new_password() -> str:
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP_LETTERS)) for _ in range(_GROUPS))
    return "-".join(groups)
