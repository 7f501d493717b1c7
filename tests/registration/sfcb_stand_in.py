"""sfcb's programs as far as registration uses them, as programs, and an sfcb that they belong to.

They take files as sfcb's shell scripts do, without any check, and refuse what nobody expects. A
program fails when a file `fails` beside it names it: at once, or with `late` when all is done.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

_SELF = Path(globals().get("__file__", "")).resolve()
_PROGRAMS = ("sfcbstage", "sfcbunstage", "sfcbrepos")
_SCHEMA = """
[Version ( "2.19.0" ), Abstract]
class CIM_ManagedElement { string Caption; };
[Version ( "2.24.0" )]
class CIM_RegisteredSpecification : CIM_ManagedElement { [Key] string InstanceID; };
"""


class StandInSfcb:
    """What is in its directories, and where its programs are."""

    def __init__(self, root: Path) -> None:
        self.programs = root / "bin"
        self.stage = root / "stage"
        self.registration = root / "registration"
        self.schema = root / "schema"
        for directory in (self.programs, self.stage / "mofs", self.stage / "regs", self.schema):
            directory.mkdir(parents=True)
        (self.registration / "repository").mkdir(parents=True)
        (self.schema / "CIM_Schema.mof").write_text(_SCHEMA)
        (self.stage / "default.reg").write_text("[$ClassProvider$]\n#\n")
        interop = self.stage / "mofs" / "root" / "interop"
        interop.mkdir(parents=True)
        (interop / "10_interop.mof").write_text("class SFCB_Thing { };\n")
        (self.stage / "regs" / "other.reg").write_text("[Other_Thing]\n#\n")
        for name in _PROGRAMS:
            program = self.programs / name
            program.write_text(f"#!{sys.executable}\nexec(open({str(_SELF)!r}).read())\n")
            program.chmod(0o755)
        _rebuild(self.stage, self.registration, self.schema)

    def staged_registration(self) -> Path:
        """Our registration file as it is staged."""
        return self.stage / "regs" / "virtcim.reg"

    def options(self) -> list[str]:
        """Where it is, for the command."""
        return [
            *("--tools", str(self.programs), "--stage", str(self.stage)),
            *("--registration", str(self.registration), "--schema", str(self.schema)),
        ]

    def contents(self) -> dict[str, str]:
        """All files and directories, without what sfcbrepos keeps of before."""
        return {
            str(path): path.read_text() if path.is_file() else ""
            for directory in (self.stage, self.registration)
            for path in sorted(directory.rglob("*"))
            if "previous" not in str(path)
        }

    def fails(self, name: str, *, late: bool = False) -> None:
        """Have a program fail from now on; an empty name lets all of them work."""
        (self.programs / "fails").write_text(f"{name} {'late' if late else ''}")


def _rebuild(stage: Path, registration: Path, schema: Path) -> None:
    assert (schema / "CIM_Schema.mof").exists()
    shutil.rmtree(registration / "repository")
    for mof in sorted((stage / "mofs").rglob("*.mof")):
        place = registration / "repository" / mof.parent.relative_to(stage / "mofs")
        place.mkdir(parents=True, exist_ok=True)
        with (place / "classSchemas").open("a") as classes:
            classes.write(mof.read_text())
    registers = [stage / "default.reg", *sorted((stage / "regs").glob("*.reg"))]
    text = "".join(path.read_text() for path in registers)
    (registration / "providerRegister").write_text(text)


def _run(name: str, words: list[str]) -> None:
    match name, words:
        case "sfcbstage", ["-s", stage, "-n", namespace, file]:
            directory = Path(stage, "mofs", namespace)
            directory.mkdir(parents=True, exist_ok=True)
            # The preprocessor leaves comments out.
            lines = Path(file).read_text().splitlines(keepends=True)
            text = "".join(line for line in lines if not line.startswith("//"))
            (directory / Path(file).name).write_text(text)
        case "sfcbstage", ["-s", stage, "-r", file]:
            shutil.copy(file, Path(stage, "regs"))
        case "sfcbunstage", ["-s", stage, "-n", namespace, file]:
            Path(stage, "mofs", namespace, file).unlink(missing_ok=True)
        case "sfcbunstage", ["-s", stage, "-r", file]:
            Path(stage, "regs", file).unlink(missing_ok=True)
        case "sfcbrepos", ["-f", "-s", stage, "-r", registration, "-c", schema]:
            _rebuild(Path(stage), Path(registration), Path(schema))
        case _:
            sys.exit(f"nobody expects {name} {words}")


def _main() -> None:
    program = Path(sys.argv[0])
    told = program.with_name("fails")
    name, late = [*told.read_text().split(), "", ""][:2] if told.exists() else ("", "")
    if name == program.name and not late:
        sys.exit("made to fail")
    _run(program.name, sys.argv[1:])
    if name == program.name:
        sys.exit("made to fail late")


if Path(sys.argv[0]).name in _PROGRAMS:
    _main()
