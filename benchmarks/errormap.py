"""What explaining faults costs: records translated per second, and starting the command."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from measurement import Recorder
from report import Progress, as_json, print_lines, print_table

_COMPILES_ALWAYS = "PYTHONDONTWRITEBYTECODE"
_RECORDS = Path(__file__).with_name("faults.jsonl")
_VIRTCIM = Path(sys.executable).with_name("virtcim")
_TRANSLATE = "virtcim errormap translate"
_TRANSLATION = [str(_VIRTCIM), "errormap", "translate"]
_DIFFERENT = f"{_TRANSLATE}, all different"
_EQUAL = f"{_TRANSLATE}, few different"
_UNSEEN = f"{_TRANSLATE}, no two alike"
# Stands in the recorded faults where names and numbers make two of them different.
_MARK = "00017"
_LETTERS = str.maketrans("0123456789abcdef", "ghijklmnopqrstuv")
_PYTHON = "python3 -c 'import json, re'"
_EXPLAIN = "virtcim errormap explain"
# Processor time of a start, as so many times that of a bare Python in the same run.
_EXPLAIN_TARGET = 4.0
_STARTS = (
    ["xapi", "SR_BACKEND_FAILURE_44", "--json"],
    ["libvirt", "38", "--text", "unable to write '/d/a': No space left on device", "--json"],
)
_RECORDS_PER_S_TARGET = 50_000
# What a program does that takes the same records apart and writes them, and nothing else.
_JSON_ALONE = (
    "import json, sys\n"
    "for line in sys.stdin.buffer:\n"
    "    sys.stdout.write(json.dumps(json.loads(line)) + '\\n')\n"
)
_JSON = "reading and writing the JSON alone"
# Processor time of translating differing records, as so many times that of their JSON alone.
_TRANSLATE_TARGET = 3.0

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
            times_python = _measure_starts(recorder, 4 * repeat)
            different = _input(records, different=True)
            times_json = _times_json(recorder, different, repeat)
            per_s = {
                _DIFFERENT: _measure_translation(recorder, _DIFFERENT, different, records, repeat),
                _EQUAL: _measure_translation(
                    recorder, _EQUAL, _input(records, different=False), records, repeat
                ),
                _UNSEEN: _measure_translation(
                    recorder, _UNSEEN, _input(records, different=True, alike=False), records, repeat
                ),
            }
    except (BenchmarkError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    if as_json_object:
        print(
            as_json(
                recorder.measurements,
                size={"records": records},
                records_per_processor_s={**per_s, "target": _RECORDS_PER_S_TARGET},
                explain_times_python={"measured": times_python, "target": _EXPLAIN_TARGET},
                translate_times_json={"measured": times_json, "target": _TRANSLATE_TARGET},
            )
        )
        return
    print_table(f"{records} faults", recorder.measurements)
    print_lines("ratio: to starting Python alone")
    verdict = "met" if times_python <= _EXPLAIN_TARGET else "MISSED"
    print_lines(
        f"{_EXPLAIN}: {times_python:.1f} times the processor time of {_PYTHON}"
        f" (target {_EXPLAIN_TARGET:.0f}: {verdict})"
    )
    verdict = "met" if times_json <= _TRANSLATE_TARGET else "MISSED"
    print_lines(
        f"{_DIFFERENT}: {times_json:.1f} times the processor time of {_JSON}"
        f" (target {_TRANSLATE_TARGET:.0f}: {verdict})"
    )
    for name, value in per_s.items():
        verdict = "met" if value > _RECORDS_PER_S_TARGET else "MISSED"
        print_lines(
            f"{name}: {value:,.0f} records a second of processor time"
            f" (target {_RECORDS_PER_S_TARGET:,}: {verdict})"
        )


def _measure_starts(recorder: Recorder, starts: int) -> float:
    """Measure starts; give how many times the processor time of Python the slowest one takes."""
    bare = [sys.executable, "-c", "import json, re"]
    recorder.repeat(_PYTHON, partial(_run, bare), lambda _: None, times=starts)
    recorder.repeat(
        "import virtcim.errormap",
        partial(_run, [sys.executable, "-c", "import virtcim.errormap"]),
        lambda _: None,
        times=starts,
        baseline=_PYTHON,
    )
    explained = [[str(_VIRTCIM), "errormap", "explain", *words] for words in _STARTS]
    for words, command in zip(_STARTS, explained, strict=True):
        recorder.repeat(
            f"{_EXPLAIN} {words[0]}",
            partial(_run, command),
            _require_explanation,
            times=starts,
            baseline=_PYTHON,
        )
    # One after the other, so that whatever else the computer does is the same for all.
    python_s, *explained_s = _processor_s([bare, *explained], starts)
    return max(explained_s) / python_s


def _times_json(recorder: Recorder, given: bytes, repeat: int) -> float:
    """How many times the processor time of their JSON alone translating the records takes."""
    alone = [sys.executable, "-c", _JSON_ALONE]
    recorder.repeat(_JSON, partial(_run, alone, given), lambda _: None, times=1)
    json_s, translated_s = _processor_s([alone, _TRANSLATION], repeat, given)
    return translated_s / json_s


def _processor_s(commands: list[list[str]], times: int, given: bytes = b"") -> list[float]:
    """The median of the processor time of each command, which all read ``given``."""
    seconds: list[list[float]] = [[] for _ in commands]
    for _ in range(times):
        for command, measured in zip(commands, seconds, strict=True):
            before = _children_processor_s()
            _run(command, given)
            measured.append(_children_processor_s() - before)
    return [statistics.median(measured) for measured in seconds]


def _measure_translation(
    recorder: Recorder, name: str, given: bytes, records: int, repeat: int
) -> float:
    """Measure a translation; give the records per second of processor time, whoever was busy."""
    before = _children_processor_s()
    recorder.repeat(
        name,
        partial(_run, _TRANSLATION, given),
        partial(_require_lines, records),
        times=repeat,
    )
    return records * (1 + repeat) / (_children_processor_s() - before)


def _children_processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _input(records: int, *, different: bool, alike: bool = True) -> bytes:
    """The recorded faults over and over, each with an id and, if wanted, names of its own.

    Those that are not even alike differ in a word, too, so that nothing can be remembered of them.
    """
    faults = _RECORDS.read_text().splitlines()
    lines = []
    for number in range(records):
        fault = faults[number % len(faults)]
        if different:
            fault = fault.replace(_MARK, f"{number:05}")
        note = "" if alike else f'"note": "{f"{number:x}".translate(_LETTERS)}", '
        lines.append(f'{{"id": "{number}", {note}{fault[1:]}\n')
    return "".join(lines).encode()


def _run(command: list[str], given: bytes = b"") -> bytes:
    # As installed, with the compiled modules that Python keeps.
    kept = {name: value for name, value in os.environ.items() if name != _COMPILES_ALWAYS}
    ended = subprocess.run(command, input=given, capture_output=True, check=False, env=kept)
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
