"""Lambda handler of the `tenant-provisioner` function: takes one onboarding request."""

from tenant_provisioner.bootstrap import Settings, bootstrap
from tenkacloud.platform.lambda_handler import lambda_handler

handler = lambda_handler(Settings, bootstrap)
