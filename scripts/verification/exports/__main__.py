"""`scripts/run scripts.verification.exports FOLDER_OR_MANIFEST`: exit code 0 if all is right, else 1."""

import argparse
import sys
from pathlib import Path

from scripts.verification.exports.check import check


def main() -> int:
    """Check, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts.verification.exports", description=__doc__)
    parser.add_argument("path", type=Path, help="the export's folder, or its manifest.json")
    parser.add_argument("--manifest-sha256", help="what the export's result said of the manifest")
    options = parser.parse_args()
    report = check(options.path, options.manifest_sha256)
    for problem in report.problems:
        print(f"wrong: {problem}")
    if report.more:
        print(f"and {report.more} more")
    what = f"{report.objects} objects, {report.items} items, {report.bytes} bytes"
    print(f"export {report.export_id or '(unknown)'} of tenant {report.tenant_id or '(unknown)'}: {what}")
    return 0 if report.is_right else 1


if __name__ == "__main__":
    sys.exit(main())
