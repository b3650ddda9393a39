"""Lambda handler of the `provisioning` function: takes batches of the tenant table's stream."""

from provisioning.bootstrap import Settings, bootstrap
from tenkacloud.platform.lambda_handler import lambda_handler

handler = lambda_handler(Settings, bootstrap)
