"""``scripts/domain_descriptions DIR``: the harness over a folder of domain descriptions."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import libvirt
from lxml import etree
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.harness.outcomes import Outcome, Verdict, summary
from tests.harness.runner import NotDefinedError, Runner, batches
from tests.harness.stage import running_harness

_BATCH = 40


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/domain_descriptions",
        description=(
            "Defines each domain description over a private libvirtd, compares what CIM shows with "
            "it, sends all settings back, asks for every kind of change and for what must be "
            "refused, and compares libvirt's documents with what libvirt makes of the same edit "
            "by hand. Nothing outside temporary directories is touched."
        ),
        epilog="Exit status: 0 where nothing is wrong, 1 otherwise, 2 for wrong arguments.",
    )
    parser.add_argument("folder", type=Path, help="where the descriptions (*.xml) are")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every outcome there")
    parser.add_argument(
        "--devices",
        type=int,
        default=2,
        metavar="N",
        help="how many disks and ports of a machine are changed in each way (%(default)s)",
    )
    parser.add_argument(
        "--without-changes",
        action="store_true",
        help="look and send back only",
    )
    parser.add_argument("--only", default="*.xml", metavar="PATTERN", help="names of files")
    arguments = parser.parse_args(given)
    if not arguments.folder.is_dir():
        parser.error(f"{arguments.folder} is no folder")
    return arguments


def _read(folder: Path, pattern: str) -> dict[str, str]:
    """The descriptions by name: whatever there is the document of a domain."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob(pattern)):
        text = path.read_text(encoding="utf-8", errors="replace")
        try:
            root = etree.fromstring(text.encode())
        except etree.XMLSyntaxError:
            root = None
        name = path.stem if path.stem not in found else f"{path.stem}-{path.parent.name}"
        if root is None or root.tag == "domain":
            found[name] = text
    return found


def _try_all(
    runner: Runner, texts: dict[str, str], *, changes: bool
) -> Iterable[tuple[str, list[Outcome] | str]]:
    """What came of each description; a text where libvirt does not take it."""
    for batch in batches(texts, _BATCH):
        defined: dict[str, str] = {}
        for name, xml in batch.items():
            try:
                defined[name] = runner.define(name, xml)
            except (NotDefinedError, etree.XMLSyntaxError) as error:
                yield name, str(error)
        runner.wait_until_shown(defined.values())
        for name, uuid in defined.items():
            yield name, list(runner.outcomes(name, uuid, changes=changes))
        for uuid in defined.values():
            runner.undefine(uuid)
        runner.wait_until_shown(defined.values(), there=False)


def _table(outcomes: Sequence[Outcome]) -> Table:
    table = Table("kind", *(verdict.value for verdict in Verdict), title="Outcomes")
    for kind, counts in summary(outcomes).items():
        table.add_row(kind, *(str(counts[verdict]) for verdict in Verdict))
    return table


def main(given: Sequence[str]) -> int:
    """Run the harness; gives the exit status."""
    arguments = _arguments(given)
    libvirt.registerErrorHandler(lambda *_: None, None)
    console, notes = Console(), Console(stderr=True)
    texts = _read(arguments.folder, arguments.only)
    outcomes: list[Outcome] = []
    refused: dict[str, str] = {}
    with running_harness(devices=arguments.devices) as runner:
        tried = _try_all(runner, texts, changes=not arguments.without_changes)
        for name, result in track(
            tried, "trying", total=len(texts), console=notes, disable=not notes.is_terminal
        ):
            if isinstance(result, str):
                refused[name] = result
                continue
            outcomes += result
            for outcome in result:
                if outcome.verdict is Verdict.WRONG:
                    console.print(
                        f"{name}: {outcome.kind}, {outcome.what}: {outcome.detail}",
                        markup=False,
                        highlight=False,
                        soft_wrap=True,
                    )
    if arguments.json is not None:
        report = {
            "descriptions": len(texts),
            "not_defined": refused,
            "outcomes": [outcome.as_json() for outcome in outcomes],
        }
        arguments.json.write_text(json.dumps(report, indent=1))
    console.print(f"{len(texts)} descriptions, {len(refused)} of which libvirt does not take here")
    console.print(_table(outcomes))
    return int(any(outcome.verdict is Verdict.WRONG for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
