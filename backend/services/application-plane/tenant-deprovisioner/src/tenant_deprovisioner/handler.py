"""Lambda handler of the `tenant-deprovisioner` function: takes slices of offboardings from its queue."""

from tenant_deprovisioner.bootstrap import Settings, bootstrap
from tenkacloud.platform.lambda_handler import lambda_handler

handler = lambda_handler(Settings, bootstrap)
