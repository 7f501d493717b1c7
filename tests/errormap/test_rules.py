"""Tables are read strictly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from virtcim import errormap
from virtcim.errormap import ErrorCode, TableError, engine, rules
from virtcim.errormap.rules import parse

_GOOD = 'id = "xapi.a"\ncode = "A"\nerr = "ERR_UNKNOWN"\nsince = "1.0.0"\n'


def _table(entry: str) -> str:
    return f"[[rule]]\n{entry}"


def test_a_rule_is_read_with_all_its_conditions() -> None:
    (rule,) = parse(
        _table(
            _GOOD
            + 'operation = ["@boot", "VM.x"]\nargument = { at = 1, is = ["B"] }\nerrno = "EIO"\n'
            + "text = 'disk (?P<file>\\w{1,9})'\nsent = true\nweak = true\n"
            + 'say = "{file} {0}"\nnote = "n"\n'
        ),
        "xapi",
    )
    assert rule.code == ("A",)
    assert rule.err is ErrorCode.ERR_UNKNOWN
    assert rule.operation == ("@boot", "VM.x")
    assert rule.argument is not None
    assert (rule.argument.at, rule.argument.values) == (1, frozenset({"b"}))
    assert rule.errno == frozenset({"EIO"})
    assert (rule.sent, rule.weak) == (True, True)


@pytest.mark.parametrize(
    ("family", "within", "outside"),
    [
        ("SR_BACKEND_FAILURE_*", "SR_BACKEND_FAILURE_9", "SR_BACKEND_FAILURE"),
        ("*_IN_USE", "ODD_IN_USE", "ODD_IN_USER"),
        ("VM_*_NOT_FOUND", "VM_ODD_NOT_FOUND", "VM_NOT_FOUND"),
        ("*_HAS_*", "ODD_HAS_IT", "ODD_HAS"),
        ("A_CODE", "A_CODE", "A_CODE_2"),
    ],
)
def test_a_star_stands_for_any_letters_of_a_code(
    family: str, within: str, outside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (rule,) = parse(_table(_GOOD.replace('"A"', f'"{family}"')), "xapi")
    monkeypatch.setattr(engine, "load", lambda _: (rule,))
    remembered = (engine.stages, engine._by_code)
    for one in remembered:
        one.cache_clear()
    try:
        assert engine.stages("xapi", within) == ((rule,), ())
        assert engine.stages("xapi", outside) == ((), ())
    finally:
        for one in remembered:
            one.cache_clear()


@pytest.mark.parametrize(
    ("entry", "slip"),
    [
        (_GOOD + 'kode = "B"\n', "kode"),
        (_GOOD.replace("ERR_UNKNOWN", "ERR_OOPS"), "ERR_OOPS"),
        (_GOOD.replace('"xapi.a"', '"xend.a"'), "xend.a"),
        (_GOOD.replace('code = "A"\n', ""), "no condition"),
        (_GOOD.replace("1.0.0", "soon"), "soon"),
        (_GOOD + "text = '('\n", "xapi.a"),
        (_GOOD + "text = 'Upper'\n", "lower case"),
        (_GOOD + "text = '(a+)+b'\n", "repeat"),
        (_GOOD + 'errno = "EWHAT"\n', "EWHAT"),
        (_GOOD + 'operation = "@flying"\n', "@flying"),
        (_GOOD + 'argument = "VM"\n', "argument"),
        (_GOOD + "argument = { at = 0 }\n", "argument"),
        (_GOOD + 'argument = { at = "0", is = ["a"] }\n', "argument"),
        (_GOOD + 'weak = "yes"\n', "weak"),
        (_GOOD + "code = 7\n", "Cannot overwrite"),
        (_GOOD.replace('"A"', "7"), "code"),
        (_GOOD.replace('"A"', '["A", "A"]'), "twice"),
        (_GOOD + 'say = "{file} is missing."\n', "file"),
        (_GOOD + 'say = "{0:miles} away."\n', "miles"),
        (_GOOD.replace('code = "A"', "text = 'a'\nweak = true"), "weak"),
        (_GOOD + "[[rule]]\n" + _GOOD, "twice"),
        (_GOOD + "[other]\nx = 1\n", "only"),
        ("id = ", "xapi"),
    ],
)
def test_a_slip_in_a_table_is_an_error_that_names_it(entry: str, slip: str) -> None:
    with pytest.raises(TableError, match=slip):
        parse(_table(entry), "xapi")


def test_identifiers_are_unique_over_all_tables() -> None:
    names = [rule.id for rule in rules()]
    assert len(names) == len(set(names))


def test_a_code_is_decided_without_conditions_by_one_rule_only() -> None:
    plain: dict[tuple[str, str], str] = {}
    for rule in rules():
        if rule.text or rule.operation or rule.argument or rule.errno:
            continue
        if rule.about or rule.sent is not None:
            continue
        for code in rule.code:
            key = (rule.source, code)
            assert plain.setdefault(key, rule.id) == rule.id, code


def test_the_package_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    """Alone under its package name, in a Python without site-packages."""
    (tmp_path / "virtcim").mkdir()
    (tmp_path / "virtcim" / "errormap").symlink_to(Path(str(errormap.__file__)).parent)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r});"
        "import virtcim.errormap as e; from virtcim.errormap import exports, versions;"
        "from virtcim.errormap.streaming import lines;"
        "fault = e.from_xapi(['X']); e.explain(fault); e.advice(e.translate(fault), 'de');"
        "roots = {m.partition('.')[0] for m in sys.modules} - {'virtcim', '__main__'};"
        "print(sorted(roots - set(sys.stdlib_module_names)));"
        "print(sorted(m for m in sys.modules if m.startswith('virtcim.')"
        " and not m.startswith('virtcim.errormap')));"
        "print(sorted(roots & {'socket', 'ssl', 'http', 'xmlrpc', 'threading', 'asyncio'}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == ["[]", "[]", "[]"]
