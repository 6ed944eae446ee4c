"""The `fhir-server` program: a group of commands, each in its module of `fhir_server.commands`."""

from importlib import import_module

import click

# In the order in which a newcomer meets them. A command's module is imported when the command is asked for,
# as some load much that others do not need.
_COMMANDS = (
    *("serve", "demo", "load", "token", "users", "clients", "audit", "secrets"),
    *("backup", "restore", "retention", "agenda", "hl7v2", "version"),
)


class _Commands(click.Group):
    """Finds a command in the module of the same name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the commands' names."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return the command called `cmd_name`, or None."""
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(import_module(f"fhir_server.commands.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 - a module that breaks the rule above
        return command


@click.group(cls=_Commands)
def main() -> None:
    """A FHIR R4 server for hospitals, on MongoDB."""


if __name__ == "__main__":
    main()
