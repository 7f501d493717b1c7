"""Which long numbers mean something, and that no pattern asks for any other value."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import uuid

import pytest

from virtcim.errormap.numbers import asked_for, may_mean_something
from virtcim.errormap.reading.objects import rows

# The name of an errno, looked up among all names: none is a part of an identifier. The name of an
# operation, which is matched as a whole.
_ASKED_WITH_MORE = (
    r"\be[a-z0-9]{2,14}\b",
    "(?!block|nbd-|transaction|query-|qemu-(?:img|nbd|io|storage-daemon)$)[a-z][a-z_-]+",
)


def test_numbers_that_patterns_name_are_known() -> None:
    assert {"10061", "11001"} <= asked_for()


@pytest.mark.parametrize(
    "before", ["SR_BACKEND_FAILURE_", "x", "-device e", "rtl", "\\x", "\\", "&#", "as base"]
)
def test_a_number_behind_the_beginning_of_a_word_may_mean_something(before: str) -> None:
    assert may_mean_something(before)


@pytest.mark.parametrize("before", ["", "web-", "vm", "node", "needed ", "'", "/srv/images/", "="])
def test_any_other_number_is_a_number(before: str) -> None:
    assert not may_mean_something(before)


def _patterns() -> list[str]:
    """All patterns of the package, in a process where no test has made more."""
    program = (
        "import json, virtcim.errormap.streaming.lines\n"
        "from virtcim.errormap import numbers, patterns\n"
        "numbers.asked_for()\n"
        "print(json.dumps(patterns.written()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, timeout=300
    )
    found: list[str] = json.loads(done.stdout)
    return found


def test_no_pattern_tells_one_value_from_another_of_its_kind() -> None:
    chance = random.Random(17)
    kinds = [
        [str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(200)],
        [f"{chance.getrandbits(44):011x}f" for _ in range(200)],
        [f"needed {chance.randrange(100_000, 1_000_000)} of" for _ in range(200)],
        [f"vm{chance.randrange(10_000, 100_000)}" for _ in range(200)],
        [f"web-{chance.randrange(1_000, 10_000)}.img" for _ in range(200)],
        [f"0{chance.randrange(1_000, 10_000)}" for _ in range(200)],
    ]
    telling = {
        pattern
        for pattern in _patterns()
        for values in kinds
        if 0 < sum(re.search(pattern, value) is not None for value in values) < len(values)
    }
    # An echoed option is known by its name, which is no value.
    options = {row.patterns["option"].pattern for row in rows() if "option" in row.patterns}
    assert telling - options <= set(_ASKED_WITH_MORE)
