"""Freeze the error table in errormap/releases/ under the version that it says it has.

Set TABLE_VERSION in errormap/translation.py first: a new rule moves the minor version, another
outcome, condition or order the major one, wording the patch. Refused where the version does not
say what changed, or is frozen already.

Example: .venv/bin/python scripts/release_error_table.py
"""

from __future__ import annotations

import sys

from virtcim.errormap.versions import VersionError, release


def main(arguments: list[str]) -> int:
    """Freeze the present table; the exit status says whether it could be."""
    if arguments:
        print(__doc__)
        return 0 if arguments[0] in ("-h", "--help") else 2
    try:
        print(f"released: {release()}")
    except VersionError as error:
        print(f"release_error_table: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
