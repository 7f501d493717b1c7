"""Write what is generated from errormap/vocabulary.toml: the enumeration, the ValueMaps in MOF.

Example: .venv/bin/python scripts/vocabulary.py
With --check nothing is written; the exit status is 1 where a file is not as it would be written.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from virtcim.errormap.vocabulary import PATH, VocabularyError, as_enumeration, as_value_map, parse

__all__ = ["generated"]

_ROOT = Path(__file__).resolve().parent.parent
_MOF = ("job.mof", "virtual_system.mof")
# The ValueMap that names the codes, whatever codes it names.
_VALUE_MAP = re.compile(r' *ValueMap \{[^}]*\},\s*Values \{\s*"ERR_SUCCESS"[^}]*\}', re.DOTALL)


def generated(root: Path = _ROOT) -> Mapping[Path, str]:
    """The text of each generated file. Raises VocabularyError where the table is wrong."""
    words = parse(PATH.read_text(encoding="utf-8"))
    texts = {root / "errormap" / "error_code.py": as_enumeration(words)}
    for name in _MOF:
        path = root / "mof" / name
        text, found = _VALUE_MAP.subn(as_value_map(words), path.read_text(encoding="utf-8"))
        if found != 1:
            raise VocabularyError(f"{name}: {found} properties hold a code, not one")
        texts[path] = text
    return texts


def main(arguments: list[str]) -> int:
    """Write or check the files; the exit status says whether all is right."""
    if arguments not in ([], ["--check"]):
        print(__doc__)
        return 0 if arguments[0] in ("-h", "--help") else 2
    try:
        texts = generated()
    except VocabularyError as error:
        print(f"vocabulary: {error}", file=sys.stderr)
        return 1
    old = [path for path, text in texts.items() if path.read_text(encoding="utf-8") != text]
    for path in old:
        print(f"{'differs' if arguments else 'written'}: {path.relative_to(_ROOT)}")
        if not arguments:
            path.write_text(texts[path], encoding="utf-8")
    return 1 if old and arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
