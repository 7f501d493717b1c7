"""How often the error map says of a fault what people say who know only the fault."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from virtcim.errormap import TABLE_VERSION, from_record, translate

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from agreement_samples import SampleError, formats_in, record_of, reduced
from source_messages import ReadingError

_SAMPLES = Path(__file__).with_name("agreement")
_GENERAL = frozenset(("ERR_VM_CONTROL_OP_FAILED", "ERR_OPERATION_FAILED", "ERR_UNKNOWN"))
AGREED, WRONGLY_SPECIFIC, NEEDLESSLY_GENERAL = "agreed", "wrongly specific", "needlessly generic"
_OUTCOMES = (AGREED, WRONGLY_SPECIFIC, NEEDLESSLY_GENERAL)
# In a pipe every row is one line.
_PIPE_WIDTH = 160

app = typer.Typer(rich_markup_mode=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was expected of one sample, and what the error map said."""

    identifier: str
    source: str
    expected: str
    accepted: tuple[str, ...]
    got: str
    rule: str
    text: str

    @property
    def outcome(self) -> str:
        """One of AGREED, WRONGLY_SPECIFIC and NEEDLESSLY_GENERAL."""
        if self.got == self.expected or self.got in self.accepted:
            return AGREED
        return NEEDLESSLY_GENERAL if self.got in _GENERAL else WRONGLY_SPECIFIC


@app.command()
def main(
    samples: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE...]", exists=True, help="Samples, one JSON object a line."),
    ] = None,
    sources: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            help="Sources where messages are found of which only the hash is kept; repeatable.",
        ),
    ] = None,
    failures: Annotated[bool, typer.Option(help="Show every sample without agreement.")] = False,
    reduce: Annotated[
        bool,
        typer.Option(help="Only print the samples with a hash in the place of each message."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Translate labelled samples, and compare the answers with the labels.

    Without FILE it reads benchmarks/agreement/*.jsonl; the README there says how samples were
    labelled. The exit status says whether all samples could be read, never how many agreed.

    Example: .venv/bin/python benchmarks/errormap_agreement.py --failures
    """
    files = samples or sorted(_SAMPLES.glob("*.jsonl"))
    try:
        if reduce:
            for line in (line for path in files for line in reduced(path)):
                print(line)
            return
        texts = formats_in(sources or [])
        results = {path.stem: list(_answers(path, texts)) for path in files}
    except (SampleError, ReadingError) as error:
        print(f"errormap_agreement: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    if as_json:
        print(json.dumps(_as_object(results), indent=2, ensure_ascii=False))
        return
    console = Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH, no_color=True)
    for name, (answers, missing) in _split(results).items():
        console.print(_table(f"{name}, table {TABLE_VERSION}", answers))
        if missing:
            console.print(f"{missing} messages of {name} are not in the sources given (--sources)")
        if failures:
            _show_failures(console, answers)


def _answers(path: Path, formats: Mapping[str, str]) -> Iterator[Answer | None]:
    """The answer to each sample of a file; None for one whose message was not found."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            sample: dict[str, Any] = json.loads(line)
            record = record_of(sample, formats)
            if record is None:
                yield None
                continue
            error = translate(from_record(record))
            yield Answer(
                identifier=str(sample.get("id", number)),
                source=record["source"],
                expected=sample["expect"],
                accepted=tuple(sample.get("accept", ())),
                got=error.code.name,
                rule=error.rule,
                text=error.fault.text or " ".join(error.fault.arguments),
            )
        except (ValueError, KeyError, TypeError) as wrong:
            raise SampleError(f"{path}, line {number}: {wrong!r}") from wrong


def _split(
    results: Mapping[str, Sequence[Answer | None]],
) -> dict[str, tuple[list[Answer], int]]:
    """The answers of each file, and how many messages of it were not found."""
    found = {name: [one for one in answers if one] for name, answers in results.items()}
    return {name: (found[name], len(results[name]) - len(found[name])) for name in results}


_By = dict[str, Counter[str]]


def _counts(answers: Sequence[Answer]) -> tuple[_By, _By]:
    """Outcomes by source, and by the code that was expected; `all` is every sample."""
    by_source: _By = {}
    by_code: _By = {}
    for answer in answers:
        for table, key in (
            (by_source, "all"),
            (by_source, answer.source),
            (by_code, answer.expected),
        ):
            table.setdefault(key, Counter())[answer.outcome] += 1
    return dict(sorted(by_source.items())), dict(sorted(by_code.items()))


def _as_object(results: Mapping[str, Sequence[Answer | None]]) -> dict[str, object]:
    files = {}
    for name, (answers, missing) in _split(results).items():
        by_source, by_code = _counts(answers)
        files[name] = {
            "samples": len(answers),
            "missing": missing,
            "by_source": {key: _plain(counts) for key, counts in by_source.items()},
            "by_code": {key: _plain(counts) for key, counts in by_code.items()},
            "failures": [
                {
                    "id": answer.identifier,
                    "outcome": answer.outcome,
                    "expected": answer.expected,
                    "got": answer.got,
                    "rule": answer.rule,
                }
                for answer in answers
                if answer.outcome != AGREED
            ],
        }
    return {"table": TABLE_VERSION, "files": files}


def _plain(counts: Counter[str]) -> dict[str, int]:
    return {outcome: counts[outcome] for outcome in _OUTCOMES}


def _table(title: str, answers: Sequence[Answer]) -> Table:
    table = Table("of", title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("samples", AGREED, "", WRONGLY_SPECIFIC, NEEDLESSLY_GENERAL):
        table.add_column(name, justify="right")
    for number, counted in enumerate(_counts(answers)):
        if number:
            table.add_section()
        for key, counts in counted.items():
            total = counts.total()
            table.add_row(
                key,
                str(total),
                str(counts[AGREED]),
                f"{counts[AGREED] / total:.0%}",
                *(str(counts[outcome] or "") for outcome in _OUTCOMES[1:]),
            )
    return table


def _show_failures(console: Console, answers: Sequence[Answer]) -> None:
    for answer in answers:
        if answer.outcome != AGREED:
            console.print(
                f"{answer.identifier} {answer.outcome}: {answer.expected} expected, {answer.got}"
                f" from {answer.rule}: {' '.join(answer.text.split())[:300]}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )


if __name__ == "__main__":
    app()
