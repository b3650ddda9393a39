"""An engine keeps to its own folder, and what keeps it from starting is told in one line."""

import contextlib
import errno
import os
import re
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

from scripts.local_aws.engine.process import PYTHON, Engine, free_port
from scripts.tooling.project import REGION, CommandError
from tests.conftest import running_engine


def test_an_engine_keeps_its_keys_in_its_own_folder() -> None:
    with running_engine() as engine:
        cognito = boto3.client(
            "cognito-idp",
            endpoint_url=engine.endpoint.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        pool = cognito.create_user_pool(PoolName="p")["UserPool"]["Id"]
        client = cognito.create_user_pool_client(
            UserPoolId=pool, ClientName="c", ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"]
        )["UserPoolClient"]["ClientId"]
        cognito.admin_create_user(UserPoolId=pool, Username="u")
        cognito.admin_set_user_password(UserPoolId=pool, Username="u", Password="Pass-word-1", Permanent=True)
        cognito.admin_initiate_auth(
            UserPoolId=pool,
            ClientId=client,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "u", "PASSWORD": "Pass-word-1"},
        )
        process = engine.process()
        assert process
        folder = Path(process.environ()["STATE_DIR"])
    assert folder.is_relative_to(engine.folder)
    assert (folder / "cognito-rsa-key.pem").is_file()
    assert list(folder.glob(f"cognito-pool-keys/{pool}-*.pem"))
    assert not list(Path("/tmp/ministack-state").glob(f"**/{pool}-*"))  # noqa: S108 - where it was kept


def test_no_folder_of_the_engine_s_is_left_at_its_default() -> None:
    engine = Engine(free_port())
    places = set()
    for source in PYTHON.parents[1].glob("lib/*/site-packages/ministack/**/*.py"):
        places |= set(re.findall(r"""environ\.get\(["'](\w+)["'], ["']/tmp""", source.read_text()))
    assert {"STATE_DIR", "S3_DATA_DIR"} <= places
    environment = engine.environment()
    assert [name for name in places if not Path(environment[name]).is_relative_to(engine.folder)] == []


@pytest.mark.parametrize("failing", ["mkdir", "open", "write_text"])
def test_a_full_disk_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    engine = Engine(free_port())
    engine.folder.mkdir(parents=True)
    before = _engines()  # that of the other tests' stack

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, failing, full)
        with pytest.raises(CommandError) as raised:
            engine.start()
    assert os.strerror(errno.ENOSPC) in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    assert engine.process() is None
    assert _engines() == before


def _engines() -> set[psutil.Process]:
    """Return the engines that this process has started; one that has ended and was not waited for is none."""
    found = set()
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.ZombieProcess, psutil.NoSuchProcess):
            if "serve.py" in " ".join(child.cmdline()):
                found.add(child)
    return found
