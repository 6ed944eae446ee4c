"""A process of its own that takes messages, to be killed; its arguments are URL, database and port."""

import asyncio
import socket
import sys

from adapters.channels import Channels, Listener
from fhir_server.hl7v2.wiring import Messages
from fhir_server.processes.serving import MessagePort
from fhir_server.settings import Settings
from fhir_server.store import open_store
from tests.fhir_server.hl7v2.applying import Log, applying, nothing
from tests.fhir_server.hl7v2.conftest import ADT


async def main(url: str, database: str, port: int) -> None:
    """Take messages on `port` until somebody ends the process."""
    settings = Settings(mongo_url=url, database=database, auth="off", workflows_off="all")
    store = open_store(settings, url)
    await store.prepare_new_database()
    messages = Messages(Channels((ADT,)), store, applying(store, Log()), nothing)
    messages.start()
    listener = socket.create_server(("127.0.0.1", port))
    messages.open_ports([MessagePort(Listener("local", "127.0.0.1", port), listener)])
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
