"""Lambda handler of the `canary` function: runs once, for the schedule or for whoever invokes it."""

from canary.bootstrap import Settings, bootstrap
from tenkacloud.platform.lambda_handler import lambda_handler

handler = lambda_handler(Settings, bootstrap)
