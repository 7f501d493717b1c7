"""What explaining faults costs: records translated per second, and starting the command."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from measurement import Recorder
from report import Progress, as_json, print_lines, print_table

_RECORDS = Path(__file__).with_name("faults.jsonl")
_VIRTCIM = Path(sys.executable).with_name("virtcim")
_TRANSLATE = "virtcim errormap translate"
_PYTHON = "python3 -c pass"

_EXPLAIN_TARGET_S = 0.300
_RECORDS_PER_S_TARGET = 50_000

app = typer.Typer(rich_markup_mode=None)


class BenchmarkError(RuntimeError):
    """A command did not do what is measured; the text has what it said."""


@app.command()
def main(
    records: Annotated[int, typer.Option(min=1, help="How many faults are translated.")] = 200_000,
    repeat: Annotated[int, typer.Option(min=1, help="Repetitions of the translation.")] = 5,
    as_json_object: Annotated[
        bool, typer.Option("--json", help="Print one JSON object; times are in seconds.")
    ] = False,
) -> None:
    """Measure how fast faults are translated and explained.

    The time of a translation is that of the whole command, its start included; the target is for
    one processor. The exit status says whether all answers were right, never how long they took.

    Example: .venv/bin/python benchmarks/errormap.py --records 50000 --json
    """
    try:
        with Progress() as progress:
            recorder = Recorder(progress.step)
            _measure_starts(recorder, 4 * repeat)
            processor_s = _measure_translation(recorder, records, repeat)
    except (BenchmarkError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    translation = next(one for one in recorder.measurements if one.name == _TRANSLATE)
    per_second = records / translation.median_s
    per_processor_s = records / processor_s
    if as_json_object:
        print(
            as_json(
                recorder.measurements,
                size={"records": records},
                translation={
                    "records_per_s": per_second,
                    "records_per_processor_s": per_processor_s,
                    "target_records_per_s": _RECORDS_PER_S_TARGET,
                },
            )
        )
        return
    print_table(f"{records} faults", recorder.measurements)
    verdict = "met" if per_processor_s > _RECORDS_PER_S_TARGET else "MISSED"
    print_lines(
        "ratio: to starting Python alone",
        f"{_TRANSLATE}: {per_second:,.0f} records a second, {per_processor_s:,.0f} a second of"
        f" processor time (target {_RECORDS_PER_S_TARGET:,}: {verdict})",
    )


def _measure_starts(recorder: Recorder, starts: int) -> None:
    recorder.repeat(
        _PYTHON, partial(_run, [sys.executable, "-c", "pass"]), lambda _: None, times=starts
    )
    recorder.repeat(
        "import virtcim.errormap",
        partial(_run, [sys.executable, "-c", "import virtcim.errormap"]),
        lambda _: None,
        times=starts,
        baseline=_PYTHON,
    )
    explain = [str(_VIRTCIM), "errormap", "explain", "xapi", "SR_BACKEND_FAILURE_44", "--json"]
    recorder.repeat(
        "virtcim errormap explain",
        partial(_run, explain),
        _require_explanation,
        times=starts,
        baseline=_PYTHON,
        target_s=_EXPLAIN_TARGET_S,
    )


def _measure_translation(recorder: Recorder, records: int, repeat: int) -> float:
    """Measure the translation; give the processor time that one took, whoever else was busy."""
    before = _children_processor_s()
    recorder.repeat(
        _TRANSLATE,
        partial(_run, [str(_VIRTCIM), "errormap", "translate"], _input(records)),
        partial(_require_lines, records),
        times=repeat,
    )
    return (_children_processor_s() - before) / (1 + repeat)


def _children_processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _input(records: int) -> bytes:
    """The recorded faults over and over, each with a number of its own."""
    faults = [json.loads(line) for line in _RECORDS.read_text().splitlines()]
    lines = (json.dumps({"id": str(n), **faults[n % len(faults)]}) for n in range(records))
    return "".join(f"{line}\n" for line in lines).encode()


def _run(command: list[str], given: bytes = b"") -> bytes:
    ended = subprocess.run(command, input=given, capture_output=True, check=False)
    if ended.returncode != 0:
        said = ended.stderr.decode(errors="replace")[-1000:]
        raise BenchmarkError(f"`{' '.join(command)}` ended with status {ended.returncode}: {said}")
    return ended.stdout


def _require_explanation(answer: bytes) -> None:
    if b"ERR_OUT_OF_DISK_SPACE" not in answer:
        raise BenchmarkError(f"a full storage was explained as {answer[:1000]!r}")


def _require_lines(records: int, answer: bytes) -> None:
    lines = answer.splitlines()
    if len(lines) != records or json.loads(lines[-1])["id"] != str(records - 1):
        raise BenchmarkError(f"{len(lines)} answers to {records} records")


if __name__ == "__main__":
    app()
