"""Make known.bin and operated.bin of errormap/likeness: what words of labelled faults weigh.

Usage: scripts/likeness_model [--check [FOLDS]] DIR...

Reads benchmarks/agreement/training*.jsonl and tests/errormap/cases/*.jsonl, and the messages of
sources in DIR (as scripts/catalogue_review takes them) that
benchmarks/agreement/catalogue_review.txt judges. No word of a fault is kept, only hashes with
numbers, and the same faults give the same file. To be run again when what counts of a fault has
changed (a test says so), and worth it when many faults were added; whoever does not gets the
weights of before, and loses nothing.

known.bin is about codes that name a reason; operated.bin, from the faults of the repository that
have a general code and no other, about whether a machine was operated.

--check writes nothing. It takes the faults of benchmarks/agreement/undecided.txt, which the rules
that had not seen them ended with a general default for, leaves a part of them in each fold out of
the weights with all that share many of their words, and shows what likeness mends and breaks.
"""

from __future__ import annotations

import errno
import json
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from catalogue_records import record_of
from catalogue_review import REVIEW, first_ones, reviewed
from likeness_training import Sample, learned

from virtcim.errormap import ErrorCode, Fault, from_record
from virtcim.errormap.engine import by_likeness, worded
from virtcim.errormap.likeness.features import WORD, features, key_of, told_features
from virtcim.errormap.likeness.model import GENERAL, OPERATED_PATH, PATH, operated, packed, unpacked
from virtcim.errormap.reading.facts import Facts

__all__ = ["UNDECIDED", "fingerprint", "undecided"]

_ROOT = Path(__file__).parents[1]
_FILES = ("benchmarks/agreement/training*.jsonl", "tests/errormap/cases/*.jsonl")
UNDECIDED = _ROOT / "benchmarks" / "agreement" / "undecided.txt"
_HASHED = "skeleton"
_GENERAL = ("ERR_VM_CONTROL_OP_FAILED", "ERR_OPERATION_FAILED", "ERR_UNKNOWN")
_CODES = (GENERAL, *(code.name for code in ErrorCode if code.name not in _GENERAL))
# docs/error-families.md, "Likeness", has how these were chosen.
_THRESHOLD = 0.55
_OPERATED = (GENERAL, _GENERAL[0])
_OPERATED_THRESHOLD = 0.65
_LEAST_WEIGHT = 0.3
# What a message of a source counts for; a fault that somebody met counts for one.
_MESSAGE = 0.3
_FOLDS = 5
# Faults that have this part of their words in common are the same one told twice.
_ALIKE = 0.4


class Labelled(NamedTuple):
    """A fault with the codes that are right; ``counts`` tells how much is learned from it."""

    identifier: str
    fault: Fault
    features: tuple[str, ...]
    expected: str
    accepted: tuple[str, ...]
    counts: float = 1.0

    @property
    def sample(self) -> Sample:
        """What is learned from it."""
        name = GENERAL if self.expected in _GENERAL else self.expected
        keys = tuple(sorted(map(key_of, self.features)))
        return Sample(keys, _CODES.index(name), self.counts)

    @property
    def told(self) -> tuple[str, ...]:
        """What tells whether a machine was operated."""
        return told_features(worded(self.fault)[0])

    @property
    def only_general(self) -> str | None:
        """The general code that alone is right, "" for that of other operations; else None."""
        right = {one for one in (self.expected, *self.accepted) if one in _GENERAL}
        if self.expected not in _GENERAL[:2] or len(right) != 1 or self.counts != 1.0:
            return None
        return GENERAL if self.expected == _GENERAL[1] else self.expected

    @property
    def words(self) -> frozenset[str]:
        """The words of its message."""
        return frozenset(one for one in self.features if one.startswith(WORD))

    def agrees(self, name: str) -> bool:
        """Whether a code is right or defensible."""
        return name == self.expected or name in self.accepted


def main(arguments: list[str]) -> int:
    """Write the file or check how right it would be; give the exit status."""
    folds = 0
    if arguments[:1] == ["--check"]:
        number = arguments[1:2]
        folds = int(number[0]) if number and number[0].isdecimal() else _FOLDS
        arguments = arguments[2 if number and number[0].isdecimal() else 1 :]
    directories = [Path(one) for one in arguments]
    if not directories or not all(one.is_dir() for one in directories):
        print(__doc__)
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 2
    faults = [*labelled(), *judged(directories)]
    if folds:
        return _check(faults, folds)
    for path, content in ((PATH, made(faults)), (OPERATED_PATH, made_operated(faults))):
        path.write_bytes(content)
        model = unpacked(content)
        size = f"{len(content):,} bytes, {len(model.keys):,} features"
        print(f"{path.name}: {size}, {model.made_from}")
    return 0


def made(faults: Sequence[Labelled]) -> bytes:
    """The content of the file that is learned from ``faults``."""
    weights = learned([one.sample for one in faults])
    recorded = sum(one.counts == 1.0 for one in faults)
    made_from = {
        "fingerprint": fingerprint(),
        "faults": recorded,
        "messages": len(faults) - recorded,
    }
    return packed(_CODES, weights, _THRESHOLD, made_from, _LEAST_WEIGHT)


def made_operated(faults: Iterable[Labelled]) -> bytes:
    """The content of the file on operated machines that is learned from ``faults``."""
    samples = [
        Sample(tuple(sorted(map(key_of, one.told))), _OPERATED.index(one.only_general or GENERAL))
        for one in faults
        if one.only_general is not None
    ]
    made_from = {"fingerprint": fingerprint(), "faults": len(samples)}
    weights = learned(samples)
    return packed(_OPERATED, weights, _OPERATED_THRESHOLD, made_from, _LEAST_WEIGHT)


def fingerprint() -> int:
    """What tells whether weights were learned from such features as are taken today.

    What a message is about and the groups of a call are left out: they change with the rules, and
    weights that know them a little less well are no worse than none.
    """
    fault = Fault(source="xapi", code="ODD_CODE", arguments=("Zorbled 17 quaxines in /a/path",))
    found = (one for one in features(Facts(fault)) if one.startswith(("w:", "p:", "l:")))
    return crc32(" ".join(map(str, map(key_of, found))).encode("ascii"))


def labelled(root: Path = _ROOT) -> Iterator[Labelled]:
    """The labelled faults of the repository whose words it holds."""
    for path in (path for pattern in _FILES for path in sorted(root.glob(pattern))):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            record = json.loads(line)
            if _HASHED in record:
                continue
            fault = from_record(record)
            yield Labelled(
                identifier=record.get("id") or f"{path.stem}, line {number}",
                fault=fault,
                features=_features(fault),
                expected=record.get("expect") or record["expected"],
                accepted=tuple(record.get("accept", ())),
            )


def judged(directories: list[Path]) -> Iterator[Labelled]:
    """The messages of sources that were read and judged, with the first code of each."""
    review = reviewed(REVIEW)
    for message, key in first_ones(directories):
        record = record_of(message, errno.ENOENT)
        if key not in review or record is None:
            continue
        fault = from_record(record)
        names = [
            _GENERAL[0] if one == "general" else f"ERR_{one}" for one in review[key].split("|")
        ]
        yield Labelled(key, fault, _features(fault), names[0], tuple(names[1:]), _MESSAGE)


def undecided() -> dict[str, str]:
    """The general code that was answered for each fault before its reason was known to a rule."""
    return {fault: f"ERR_{code}" for fault, code in reviewed(UNDECIDED).items()}


def _features(fault: Fault) -> tuple[str, ...]:
    return features(worded(fault)[0])


def _check(faults: Sequence[Labelled], folds: int) -> int:
    before = undecided()
    tried = [one for one in faults if one.identifier in before]
    outcomes: dict[str, Counter[str]] = {}
    for fold in range(folds):
        held = tried[fold::folds]
        model = unpacked(made(list(_unlike(faults, [one.words for one in held]))))
        for one in held:
            found = by_likeness(one.fault, model)
            if found is None:
                continue
            name = found.rule.err.name
            outcome = _outcome(one.agrees(before[one.identifier]), one.agrees(name))
            outcomes.setdefault(name, Counter())[outcome] += 1
            print(f"{one.identifier}: {name}, {outcome}: {one.expected}")
    answered = sum((counts for counts in outcomes.values()), Counter[str]())
    for name, counts in (*sorted(outcomes.items()), ("all", answered)):
        print(f"{name}: {counts.total()} of {len(tried)} answered, {dict(counts)}")
    right = sum(one.agrees(before[one.identifier]) for one in tried)
    print(f"the default agreed for {right} of {len(tried)}")
    _check_operated(faults, [one for one in tried if before[one.identifier] == _GENERAL[1]], folds)
    return 0


def _check_operated(faults: Sequence[Labelled], told: Sequence[Labelled], folds: int) -> None:
    """What is mended and broken of ``told``, which ended as an operation on something else."""
    tried = [one for one in told if one.only_general is not None]
    outcomes: Counter[str] = Counter()
    for fold in range(folds):
        held = tried[fold::folds]
        model = unpacked(made_operated(_unlike(faults, [one.words for one in held])))
        for one in held:
            if operated(worded(one.fault)[0], model):
                outcomes[_outcome(one.agrees(_GENERAL[1]), one.agrees(_GENERAL[0]))] += 1
    print(f"operated: {outcomes.total()} of {len(tried)} answered, {dict(outcomes)}")


def _outcome(was_right: bool, is_right: bool) -> str:
    if was_right:
        return "still right" if is_right else "broken"
    return "mended" if is_right else "still wrong"


def _unlike(faults: Sequence[Labelled], held: Collection[frozenset[str]]) -> Iterator[Labelled]:
    """Those of ``faults`` that share few words with each of ``held``."""
    for one in faults:
        mine = one.words
        if not any(_are_alike(mine, other) for other in held):
            yield one


def _are_alike(one: frozenset[str], other: frozenset[str]) -> bool:
    shared = len(one & other)
    return shared >= _ALIKE * (len(one) + len(other) - shared)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
