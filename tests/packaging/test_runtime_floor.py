"""The handlers with the oldest boto3 that they may meet in Lambda's runtime (`docs/security.md`)."""

import re

from tenkacloud.platform.clients import BOTO3_FLOOR
from tests import background
from tests.packaging.runtime_floor import PINS


def test_the_pins_are_the_floor_that_the_code_names() -> None:
    pinned = dict(re.findall(r"^(boto3|botocore)==(\S+)", PINS.read_text(), re.MULTILINE))
    assert pinned == {"boto3": BOTO3_FLOOR, "botocore": BOTO3_FLOOR}


def test_the_handlers_work_with_the_oldest_boto3() -> None:
    """They have run since the tests began (`background`)."""
    code, printed = background.result("test_the_handlers_work_with_the_oldest_boto3", seconds=500)
    assert code == 0, printed[-20_000:]
    assert printed.strip().splitlines()[-1] == BOTO3_FLOOR
