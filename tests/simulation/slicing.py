"""Slices of long work, cut so small that tenants of a few objects take several of them."""

import random
from datetime import timedelta
from typing import Final

import tenant_deprovisioner.service
import tenant_mover.exporting
import tenant_mover.service
from tenkacloud.objects import sync

#: Seconds that a slice takes, at most: as the services have it, or some ten calls.
_SLICES: Final = (60.0, 0.15)
#: Objects that are done before the time is looked at again.
_CHUNKS: Final = (1000, 1, 2)


def cut(rng: random.Random) -> None:
    """Let slices be of a size, for the run that begins."""
    size = timedelta(seconds=rng.choice(_SLICES))
    for module in (tenant_mover.service, tenant_deprovisioner.service):
        vars(module)["SLICE"] = size
    chunk = rng.choice(_CHUNKS)
    vars(sync)["CHUNK_KEYS"] = vars(tenant_mover.exporting)["PART_OBJECTS"] = chunk
