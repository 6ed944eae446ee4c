"""The pages for people, talked to in this process, and browsers that fill in their forms.

https://cheatsheetseries.owasp.org/cheatsheets/Authentication_Cheat_Sheet.html
"""

import asyncio
import re
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from starlette.applications import Starlette

from fhir_server.settings import Settings
from fhir_server.smart.accounts.passwords import Passwords
from fhir_server.smart.accounts.routes import account_desk, account_routes
from fhir_server.smart.events import SecurityEvent
from fhir_server.store import open_store
from fhir_server.store.accounts import Account

Result = TypeVar("Result")

PASSWORD = "correct horse battery"
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
ORIGIN = "http://hospital.example"


class World:
    """The pages, talked to in this process, with a clock that tests set and what was recorded."""

    def __init__(self, settings: Settings) -> None:
        self.runner = asyncio.Runner()
        self.store = open_store(settings, str(settings.mongo_url))
        self.time = datetime.now(UTC)
        self.events: list[SecurityEvent] = []
        desk = account_desk(self.store.accounts, settings, self._record, lambda: self.time)
        self.app = Starlette(routes=account_routes(desk))

    async def _record(self, event: SecurityEvent) -> None:
        self.events.append(event)

    def run(self, work: Awaitable[Result]) -> Result:
        """Return what is awaited."""

        async def awaited() -> Result:
            return await work

        return self.runner.run(awaited())

    def browser(self, address: str = "10.0.0.1") -> "Browser":
        """Return a browser without cookies, at a network address."""
        transport = httpx.ASGITransport(self.app, client=(address, 1))
        return Browser(self, httpx.AsyncClient(transport=transport, base_url=ORIGIN))

    def account(self, name: str, **values: Any) -> Account:
        """Return a new account with PASSWORD."""
        hashed = self.run(Passwords(1, 8).hashed(PASSWORD))
        made = Account(
            id=f"id-{name}",
            user_name=name,
            display_name=name,
            password_hash=hashed,
            **{"roles": ("DR",), **values},
        )
        self.run(self.store.accounts.add(made))
        return made


class Browser:
    """Fills in forms as a person does."""

    def __init__(self, world: World, client: httpx.AsyncClient) -> None:
        self.world = world
        self.client = client

    def get(self, path: str) -> httpx.Response:
        """Return a page."""
        return self.world.run(self.client.get(path))

    def post(self, path: str, fields: dict[str, str], **headers: str) -> httpx.Response:
        """Send a form as it is."""
        return self.world.run(self.client.post(path, data=fields, headers=headers))

    def fill(self, page: str, fields: dict[str, str], to: str | None = None) -> httpx.Response:
        """Look at a page, and send its form with what is hidden in it."""
        found = self.get(page)
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', found.text))
        return self.post(to or page.partition("?")[0], {**hidden, **fields})

    def sign_in(self, name: str, password: str = PASSWORD, to: str = "/auth/account") -> httpx.Response:
        """Enter name and password."""
        return self.fill(
            f"/auth/login?next={quote(to)}", {"user_name": name, "password": password}, "/auth/login"
        )

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that the browser has."""
        return dict(self.client.cookies)
