"""The commands of `tenkacloud`, and how each of them ends.

Exit codes: 0 all is well; 1 something is not (the output says what); 2 wrong usage; 130 Ctrl-C.
"""

from collections.abc import Sequence

import typer

from scripts.operator.commands import (
    changes,
    dead_letters,
    events,
    exports,
    operations,
    reconcile,
    tenants,
)
from scripts.operator.errors import explained
from scripts.operator.session import Session
from scripts.tooling.project import INTERRUPTED, CommandError, UsageError

NAME = "tenkacloud"
_EPILOG = (
    "Exit codes: 0 all is well, 1 something is not, 2 wrong usage, 130 Ctrl-C. Manual: docs/operations.md"
)

app = typer.Typer(
    name=NAME,
    help="Operate TenkaCloud: tenants and their operations, dead-letter messages, replays and repairs.",
    epilog=_EPILOG,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
tenants.app.add_typer(changes.app)
app.add_typer(tenants.app, name="tenants")
app.add_typer(operations.app, name="operations")
app.add_typer(exports.app, name="exports")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(events.app, name="events")
app.command("reconcile")(reconcile.reconcile)


def main(arguments: Sequence[str], session: Session | None = None) -> int:
    """Run a command; return its exit code.

    Raises:
        CommandError: it ends in one line on standard error; `status` is the exit code.
        KeyboardInterrupt: the user stopped it.
    """
    command = typer.main.get_command(app)
    try:
        code = command.main(
            args=list(arguments),
            prog_name=NAME,
            standalone_mode=False,
            obj=session or Session.of_this_process(),
        )
    except typer.TyperException as error:
        where = getattr(getattr(error, "ctx", None), "command_path", NAME)
        said = " ".join(error.format_message().split()).replace(": Value error, ", ": ")
        raise UsageError(f"{said.rstrip('.')}; see {where} --help") from error
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    except CommandError:
        raise
    except Exception as error:
        line = explained(error)
        if line is None:
            raise
        raise CommandError(line) from error
    if code == INTERRUPTED:  # Typer's own answer to Ctrl-C
        raise KeyboardInterrupt
    return int(code or 0)
