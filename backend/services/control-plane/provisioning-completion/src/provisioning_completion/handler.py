"""Lambda handler of the `provisioning-completion` function: takes one result."""

from provisioning_completion.bootstrap import Settings, bootstrap
from tenkacloud.platform.lambda_handler import lambda_handler

handler = lambda_handler(Settings, bootstrap)
