"""Where the error map answers otherwise than was judged when every message was read."""

from __future__ import annotations

import errno
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from catalogue_records import record_of, skeleton
from source_messages import ReadingError, SourceMessage, messages_below

from virtcim.errormap import ErrorCode, StandardError, from_record, translate

__all__ = ["REVIEW", "app", "first_ones", "key_of", "reviewed"]

REVIEW = Path(__file__).parents[1] / "benchmarks" / "agreement" / "catalogue_review.txt"
# What a heading of the review calls all general codes.
_GENERAL = "general"
_GENERAL_CODES = (
    ErrorCode.ERR_VM_CONTROL_OP_FAILED,
    ErrorCode.ERR_OPERATION_FAILED,
    ErrorCode.ERR_UNABLE_TO_VERIFY_STATE,
)
_KEY = 10

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@dataclass(frozen=True, slots=True)
class _Difference:
    """A message that gets another code than those that were judged right."""

    kind: str
    told: str


@app.command()
def main(
    directories: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR...",
            exists=True,
            help="Tables of messages (*.csv), or unpacked sources of libvirt or QEMU.",
        ),
    ],
    review: Annotated[Path, typer.Option(help="What was judged.", exists=True)] = REVIEW,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the figures alone.")] = False,
) -> None:
    """Put every message that was read through the translation, and tell where it differs.

    Each message gets the values and the call that scripts/error_catalogues gives it. Differences
    are printed with the key by which the review knows the message.

    Example: scripts/catalogue_review ~/libvirt-9.0.0 ~/qemu-7.2
    """
    judged = reviewed(review)
    counts: Counter[str] = Counter()
    try:
        for message, key in first_ones(directories):
            if key not in judged:
                counts["not reviewed"] += 1
                continue
            counts["reviewed"] += 1
            difference = _difference(message, key, judged[key])
            if difference is None:
                counts["as judged"] += 1
                continue
            counts[difference.kind] += 1
            if not quiet:
                print(difference.told)
    except ReadingError as wrong:
        print(f"catalogue_review: {wrong}", file=sys.stderr)
        raise typer.Exit(1) from wrong
    for name in ("reviewed", "as judged", "wrongly specific", "needlessly general", "not reviewed"):
        print(f"{counts[name]:>8,} {name}")


def reviewed(path: Path) -> dict[str, str]:
    """The codes that are right for each message, by its key: names that ``|`` parts."""
    judged: dict[str, str] = {}
    codes = ""
    for line in path.read_text(encoding="ascii").splitlines():
        if line.startswith("["):
            codes = line.strip("[]")
        elif not line.startswith("#"):
            judged |= dict.fromkeys(line.split(), codes)
    return judged


def key_of(message: SourceMessage) -> str:
    """The name of a message in the review: a hash of its kind and its words without values."""
    kind = message.kind.removeprefix("VIR_ERR_")
    # A message that is the function's name alone is another one in each function.
    words = message.function if message.format == "@FUNC@" else message.format
    return skeleton(f"{message.source}|{kind}", words)[:_KEY]


def first_ones(directories: list[Path]) -> Iterator[tuple[SourceMessage, str]]:
    """Each message once, from the first place where it stands."""
    seen: set[str] = set()
    for directory in directories:
        for message in messages_below(directory):
            key = key_of(message)
            if message.format and key not in seen:
                seen.add(key)
                yield message, key


def _difference(message: SourceMessage, key: str, right: str) -> _Difference | None:
    record = record_of(message, errno.ENOENT)
    if record is None:
        return None
    error = translate(from_record(record))
    named = _name(error)
    if named in right.split("|"):
        return None
    kind = "needlessly general" if named == _GENERAL else "wrongly specific"
    return _Difference(
        kind,
        f"{key} {kind}: {message.file} ({record['operation']}): {error.fault.text}\n"
        f"    {error.code.name.removeprefix('ERR_')} by {error.rule}, judged {right}",
    )


def _name(error: StandardError) -> str:
    return _GENERAL if error.code in _GENERAL_CODES else error.code.name.removeprefix("ERR_")


if __name__ == "__main__":
    app()
