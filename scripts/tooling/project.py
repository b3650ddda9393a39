"""Where things are, how a command ends, and what keeps two commands apart. Standard library only."""

import contextlib
import errno
import fcntl
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

ROOT: Final = Path(__file__).resolve().parents[2]
BUILD: Final = ROOT / "build"
ZIPS: Final = BUILD / "zips"
REQUIREMENTS: Final = ROOT / "requirements"
ENVIRONMENTS: Final = ROOT / "infrastructure" / "terraform" / "environments"
LOCAL: Final = "local"
REGION: Final = "ap-northeast-1"

INTERRUPTED: Final = 130  # as a shell has it: 128 and the signal's number
PIPE_CLOSED: Final = 141
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class CommandError(SystemExit):
    """Ends a command with one clear line on standard error and exit code 1."""

    status = 1

    def __init__(self, message: str) -> None:
        super().__init__(f"error: {message}")


class UsageError(CommandError):
    """Ends a command that was called wrongly: exit code 2."""

    status = 2


def run(main: Callable[[list[str]], int | None]) -> NoReturn:
    """Run a command's `main` with the arguments given, and end the process with its exit code.

    Whatever a user can bring about or put right (a full disk, Ctrl-C, a network that is away, AWS saying no)
    ends in one line. `TENKACLOUD_TRACEBACK=1` shows where it came from.
    """
    try:
        code = main(sys.argv[1:]) or 0
        sys.stdout.flush()  # a full disk or a closed pipe is told here, and not while Python ends
    except CommandError as error:
        code = _end(str(error), error.status)
    except KeyboardInterrupt:
        code = _end("stopped; the same command can be run again", INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has enough of it. Nothing may be written any more, not even at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = PIPE_CLOSED
    except Exception as error:
        line = _explained(error)
        if line is None:
            raise
        code = _end(f"error: {line}", 1)
    sys.exit(code)


def _end(line: str, code: int) -> int:
    if os.environ.get("TENKACLOUD_TRACEBACK") == "1":
        traceback.print_exc()
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
    return code


def _explained(error: BaseException) -> str | None:
    """Return one line about what a user can put right, None for what is a mistake of ours."""
    if isinstance(error, OSError) and error.errno in _FULL:
        where = f" (writing {error.filename})" if error.filename else ""
        # What can't be written any more can't be at the end, either.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return f"the disk is full{where}: free some space, then run the same command again"
    if isinstance(error, PermissionError) or getattr(error, "errno", None) == errno.EROFS:
        return f"{error}: this checkout must be writable for you"
    if isinstance(error, ConnectionError | TimeoutError):
        return f"no connection: {error}; look at the network, then run the same command again"
    return _explained_botocore(error)


def _explained_botocore(error: BaseException) -> str | None:
    botocore: Any = sys.modules.get("botocore.exceptions")  # whoever has not loaded it raises none of these
    if botocore is None:
        return None
    said = " ".join(str(error).split())
    if isinstance(error, botocore.ConnectionError | botocore.HTTPClientError):
        return f"{said}; look at the network and the endpoint, then run the same command again"
    if isinstance(error, botocore.NoCredentialsError | botocore.PartialCredentialsError):
        return f"{said}: set AWS_PROFILE, or sign in, then run the same command again"
    if isinstance(error, botocore.ClientError | botocore.BotoCoreError):
        return said
    return None


@contextlib.contextmanager
def exclusively(name: str, what: str) -> Iterator[bool]:
    """Let one process of this checkout at a time do `what`; yield whether it had to wait for another.

    The lock (`build/locks/<name>`) ends with the process, however that ends.
    """
    file = BUILD / "locks" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+") as lock:
        waited = False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = True
            lock.seek(0)
            holder = lock.read().strip()
            say(f"waiting for another command here that is {what}" + (f" (process {holder})" * bool(holder)))
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield waited


def say(line: str) -> None:
    """Tell the user how far a command is. On standard error: standard output is for results."""
    print(f"  {line}", file=sys.stderr, flush=True)


def environment_root(environment: str) -> Path:
    """Return the Terraform root of an environment.

    Raises:
        UsageError: there is no such environment.
    """
    known = sorted(path.parent.name for path in ENVIRONMENTS.glob("*/main.tf"))
    if environment not in known:
        raise UsageError(f"there is no environment {environment!r}: one of {', '.join(known)}")
    return ENVIRONMENTS / environment
