"""Lambda handler of the `reconciler` function: sweeps, for the schedule, and repairs on request."""

from reconciler.bootstrap import Settings, bootstrap
from tenkacloud.platform.lambda_handler import lambda_handler

handler = lambda_handler(Settings, bootstrap)
