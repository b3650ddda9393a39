"""Lambda handler of the `problem-data` function: answers one request of an HTTP API."""

from problem_data.bootstrap import Settings, bootstrap
from tenkacloud.platform.lambda_handler import lambda_handler

handler = lambda_handler(Settings, bootstrap)
