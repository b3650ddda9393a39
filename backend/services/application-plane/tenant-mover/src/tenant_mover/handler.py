"""Lambda handler of the `tenant-mover` function: takes slices of moves and exports from its queue."""

from tenant_mover.bootstrap import Settings, bootstrap
from tenkacloud.platform.lambda_handler import lambda_handler

handler = lambda_handler(Settings, bootstrap)
