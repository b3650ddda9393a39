"""How commands end, and what keeps two of them apart."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from scripts.tooling import build, project, virtualenv
from scripts.tooling.project import CommandError, UsageError


def end_of(error: BaseException | int, capfd: pytest.CaptureFixture[str]) -> tuple[object, str]:
    def main(_arguments: list[str]) -> int:
        if isinstance(error, int):
            return error
        raise error

    with pytest.raises(SystemExit) as ended:
        project.run(main)
    return ended.value.code, capfd.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (CommandError("it broke"), 1, "error: it broke"),
        (UsageError("no such thing"), 2, "error: no such thing"),
        (KeyboardInterrupt(), 130, "stopped; the same command can be run again"),
        (ConnectionRefusedError(111, "refused"), 1, "look at the network"),
        (PermissionError(13, "denied", "build/x"), 1, "must be writable for you"),
        (EndpointConnectionError(endpoint_url="http://x"), 1, "look at the network"),
        (NoCredentialsError(), 1, "set AWS_PROFILE"),
        (ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetItem"), 1, "AccessDenied"),
    ],
)
def test_a_command_ends_in_one_line(
    error: BaseException, code: int, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    ended, err = end_of(error, capfd)
    assert ended == code
    assert said in err
    assert len(err.splitlines()) == 1


def test_a_mistake_of_ours_is_shown_whole() -> None:
    with pytest.raises(ZeroDivisionError):
        project.run(lambda _: 1 // 0)


def python(program: str, **options: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-c", program], text=True, stderr=subprocess.PIPE, **options
    )


def test_a_full_disk_is_told_in_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        ended = python(
            "from scripts.tooling import project; project.run(lambda _: print('x' * 100))", stdout=full
        )
        _, err = ended.communicate()
    assert (ended.returncode, len(err.splitlines())) == (1, 1)
    assert "the disk is full" in err


def test_a_zip_that_does_not_fit_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.py").touch()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(OSError, match="No space left"):
        build.write_zip(tmp_path / "a.zip", [tmp_path / "in"])
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_reader_that_goes_away_is_no_failure_to_be_told() -> None:
    read, write = os.pipe()
    os.close(read)
    ended = python("from scripts.tooling import project; project.run(lambda _: print('x'))", stdout=write)
    os.close(write)
    _, err = ended.communicate()
    assert (ended.returncode, err) == (project.PIPE_CLOSED, "")


def test_ctrl_c_ends_a_command_in_one_line() -> None:
    program = (
        "from scripts.tooling import project; import time; "
        "project.run(lambda _: (project.say('go'), time.sleep(60)))"
    )
    ended = python(program)
    assert ended.stderr is not None
    assert ended.stderr.readline() == "  go\n"
    ended.send_signal(signal.SIGINT)
    _, err = ended.communicate(timeout=30)
    assert (ended.returncode, len(err.splitlines())) == (130, 1)


def test_two_at_once_take_turns_and_the_second_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project, "BUILD", tmp_path)
    program = f"""
from pathlib import Path
from scripts.tooling import project
project.BUILD = Path({str(tmp_path)!r})
with project.exclusively("deploy", "deploying") as waited:
    print(waited)
"""
    with project.exclusively("deploy", "deploying") as waited:
        assert not waited
        second = python(program, stdout=subprocess.PIPE)
        assert second.stderr is not None
        assert second.stderr.readline() == (
            f"  waiting for another command here that is deploying (process {os.getpid()})\n"
        )
        assert second.poll() is None
    out, _ = second.communicate(timeout=30)
    assert (out, second.returncode) == ("True\n", 0)


def test_builds_side_by_side_end_well_with_the_same_bytes(tmp_path: Path) -> None:
    program = (
        f"from pathlib import Path; from scripts.tooling.build import build; build(Path({str(tmp_path)!r}))"
    )
    both = [python(program) for _ in range(3)]
    ends = [(each.communicate(timeout=120)[1], each.returncode) for each in both]
    assert ends == [("", 0)] * 3
    alone = build.build(tmp_path / "alone")
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.zip")} == {
        path.name: path.read_bytes() for path in alone.values()
    }
    assert not list(tmp_path.glob(".*"))


def test_a_set_up_without_a_network_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(virtualenv, "BUILD", tmp_path)
    for name, value in (("INDEX_URL", "http://127.0.0.1:9/"), ("RETRIES", "0"), ("CONFIG_FILE", os.devnull)):
        monkeypatch.setenv(f"PIP_{name}", value)
    pins = tmp_path / "pins.txt"
    pins.write_text(f"nothing-of-that-name==1 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(CommandError) as raised:
        virtualenv.make(tmp_path / "venv", pins, sources=False)
    assert "is the network there" in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    assert not (tmp_path / "venv" / ".done").exists()


def test_what_uv_cannot_install_pip_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """GIVEN a package that lies where only pip is configured to look."""
    wheel = tmp_path / "wheels" / "for_pip_only-1-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("for_pip_only.py", "FOUND = True\n")
        archive.writestr(
            "for_pip_only-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: for-pip-only\nVersion: 1\n"
        )
        archive.writestr(
            "for_pip_only-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("for_pip_only-1.dist-info/RECORD", "")
    pins = tmp_path / "pins.txt"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    pins.write_text(f"for-pip-only==1 --hash=sha256:{digest}\n")
    monkeypatch.setattr(virtualenv, "BUILD", tmp_path)
    monkeypatch.setenv("UV_OFFLINE", "1")
    for name, value in (
        ("NO_INDEX", "1"),
        ("FIND_LINKS", str(wheel.parent)),
        ("CONFIG_FILE", os.devnull),
    ):
        monkeypatch.setenv(f"PIP_{name}", value)
    # WHEN the environment is made
    virtualenv.make(tmp_path / "venv", pins, sources=False, installer=virtualenv.MAIN)
    # THEN the package is there, only the package, and the user was told why it took longer
    python = tmp_path / "venv" / "bin" / "python"
    assert subprocess.run([python, "-c", "import for_pip_only"], check=False).returncode == 0
    assert subprocess.run([python, "-c", "import pip"], check=False, capture_output=True).returncode == 1
    assert "trying with pip" in capfd.readouterr().err
    assert (tmp_path / "venv" / ".done").exists()
