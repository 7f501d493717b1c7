"""Labelled faults are translated, and what is worse than a miss is told apart from one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_SCRIPT = Path(__file__).parents[2] / "benchmarks" / "errormap_agreement.py"
_QEMU = """
static void thing(Error **errp)
{
    error_setg(errp, "Colour '%s' must be below %d", name, 17);
}
"""


def _run(*arguments: object) -> str:
    command = [sys.executable, str(_SCRIPT), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _sample(identifier: str, code: int, expect: str, *accept: str) -> dict[str, Any]:
    return {
        "id": identifier,
        "source": "libvirt",
        "operation": "virDomainCreate",
        "raw": {"code": code, "message": "nothing that anybody knows"},
        "expect": expect,
        "accept": accept,
    }


def test_wrongly_specific_answers_are_told_apart_from_general_ones(tmp_path: Path) -> None:
    samples = [
        _sample("right", 42, "ERR_VM_NOT_FOUND"),
        _sample("defensible", 42, "ERR_HOST_NOT_FOUND", "ERR_VM_NOT_FOUND"),
        _sample("misled", 42, "ERR_VM_CONTROL_OP_FAILED"),
        _sample("vague", 1, "ERR_FILE_IN_USE"),
    ]
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, samples)))
    told = json.loads(_run(path, "--json"))["files"]["own"]
    assert told["by_source"]["all"] == {
        "agreed": 2,
        "wrongly specific": 1,
        "needlessly generic": 1,
    }
    assert {one["id"]: one["outcome"] for one in told["failures"]} == {
        "misled": "wrongly specific",
        "vague": "needlessly generic",
    }
    assert "misled wrongly specific: ERR_VM_CONTROL_OP_FAILED expected" in _run(path, "--failures")


def test_a_message_is_kept_as_a_hash_and_found_again_in_its_source(tmp_path: Path) -> None:
    sample = {
        "id": "one",
        "source": "qemu",
        "operation": "device_add",
        "raw": {"class": "GenericError", "desc": "Colour 'red' must be below 9"},
        "format": "Colour '%s' must be below %d",
        "expect": "ERR_BAD_PARAMETER",
    }
    whole, kept = tmp_path / "whole.jsonl", tmp_path / "kept.jsonl"
    whole.write_text(json.dumps(sample))
    kept.write_text(_run(whole, "--reduce"))
    assert "Colour" not in kept.read_text()
    assert json.loads(_run(kept, "--json"))["files"]["kept"]["missing"] == 1
    (tmp_path / "hw").mkdir()
    (tmp_path / "hw" / "thing.c").write_text(_QEMU)
    told = json.loads(_run(kept, "--sources", tmp_path, "--json"))["files"]["kept"]
    assert (told["missing"], told["by_source"]["qemu"]["agreed"]) == (0, 1)
