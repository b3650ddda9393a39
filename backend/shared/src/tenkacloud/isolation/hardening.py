"""How a silo bucket is hardened: its settings in S3's shapes, declared once. Pure.

Whoever builds or repairs one takes them from here; who verifies one (`scripts/verification/resources.py`) has
them written down apart. Its policy is in `policies`, its tag too.
"""

from collections.abc import Mapping
from typing import Any, Final

#: No public access, whatever an ACL or a policy says.
PUBLIC_ACCESS_BLOCK: Final[Any] = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
#: S3's own keys.
ENCRYPTION_ALGORITHM: Final = "AES256"
ENCRYPTION: Final[Any] = {
    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": ENCRYPTION_ALGORITHM}}]
}
VERSIONING: Final[Any] = {"Status": "Enabled"}


def is_encrypted(configuration: Mapping[str, Any]) -> bool:
    """Tell whether an encryption configuration, as S3 returns it, encrypts as `ENCRYPTION` has it."""
    rules = configuration["Rules"]
    algorithms = [rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] for rule in rules]
    return algorithms == [ENCRYPTION_ALGORITHM]
