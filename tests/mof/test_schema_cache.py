"""The compiled schema: made once, complete, safe to make twice at once, mended when damaged."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from virtcim.errormap import ErrorCode
from virtcim.mof import Schema, SchemaError, cache_directory, compiler, ensure_schema, load_schema
from virtcim.mof import cache as cache_module
from virtcim.mof.dmtf import SchemaSourceError, read_archive
from virtcim.mof.standard import OPTIONAL_CLASSES, PROFILE_CLASSES


@pytest.fixture(scope="session")
def archive() -> Path:
    """The DMTF archive that set-up left in the cache."""
    ensure_schema()
    return cache_directory() / "dmtf-cim-schema.zip"


@pytest.fixture(scope="session")
def compilation(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Schema]:
    """A cache of our own, made from a local file, and what was compiled for it."""
    directory = tmp_path_factory.mktemp("cache")
    results: list[Schema] = []

    def keeping(content: bytes, mof: Path) -> Schema:
        results.append(compiler.compile_schema(content, mof))
        return results[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache_module, "compile_schema", keeping)
        ensure_schema(directory, file=archive)
    (result,) = results
    return directory, result


@pytest.fixture(scope="session")
def compiled(compilation: tuple[Path, Schema]) -> Path:
    return compilation[0]


@pytest.fixture
def compiling(monkeypatch: pytest.MonkeyPatch, compilation: tuple[Path, Schema]) -> list[bytes]:
    """Compiling takes no time, as it was done before; the archives that were compiled."""
    directory, result = compilation
    document = compiled_file(directory).read_bytes().partition(b"\n")[2]
    done: list[bytes] = []

    def compile_schema(content: bytes, _mof: Path) -> Schema:
        done.append(content)
        return result

    def to_document(schema: Schema) -> bytes:
        assert schema is result
        return document

    monkeypatch.setattr(cache_module, "compile_schema", compile_schema)
    monkeypatch.setattr(cache_module, "to_document", to_document)
    return done


@pytest.fixture
def cache(compiled: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    for file in compiled.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


@pytest.fixture(autouse=True)
def nothing_from_the_environment(monkeypatch: pytest.MonkeyPatch, archive: Path) -> Iterator[None]:
    monkeypatch.delenv("VIRTCIM_CIM_SCHEMA", raising=False)
    return None


@pytest.fixture(scope="session")
def schema(compiled: Path) -> Schema:
    return load_schema(compiled)


def compiled_file(directory: Path) -> Path:
    (file,) = directory.glob("schema-*.xml")
    return file


def test_our_classes_have_the_superclasses_of_the_model(schema: Schema) -> None:
    for name, superclass in (
        ("VirtCIM_HostSystem", "CIM_ComputerSystem"),
        ("VirtCIM_ComputerSystem", "CIM_ComputerSystem"),
        ("VirtCIM_VirtualSystemSettingData", "CIM_VirtualSystemSettingData"),
        ("VirtCIM_DiskResourceAllocationSettingData", "CIM_StorageAllocationSettingData"),
        (
            "VirtCIM_NetworkPortResourceAllocationSettingData",
            "CIM_EthernetPortAllocationSettingData",
        ),
        ("VirtCIM_StoragePool", "CIM_ResourcePool"),
        ("VirtCIM_ConcreteJob", "CIM_ConcreteJob"),
        ("VirtCIM_Error", "CIM_Error"),
        ("VirtCIM_HostedService", "CIM_HostedService"),
        (
            "VirtCIM_VirtualSystemManagementCapabilities",
            "CIM_VirtualSystemManagementCapabilities",
        ),
        ("VirtCIM_ElementCapabilities", "CIM_ElementCapabilities"),
    ):
        assert schema.superclass(name) == superclass


def test_classes_are_resolved_with_what_they_inherit(schema: Schema) -> None:
    system = schema.find("virtcim_computersystem")
    assert system is not None
    name = system.properties["Name"]
    assert name.propagated
    assert name.class_origin == "CIM_ManagedSystemElement"
    assert name.qualifiers["Key"].value is True
    assert not system.properties["StopReason"].propagated
    method = system.methods["RequestStateChange"]
    assert method.class_origin == "CIM_EnabledLogicalElement"
    assert method.return_type == "uint32"
    assert "4096" in method.qualifiers["ValueMap"].value
    assert method.parameters["RequestedState"].type == "uint16"
    service = schema.find("CIM_VirtualSystemManagementService")
    assert service is not None
    settings = service.methods["DefineSystem"].parameters["ResourceSettings"]
    assert settings.is_array
    assert settings.qualifiers["EmbeddedInstance"].value == "CIM_ResourceAllocationSettingData"


def test_every_superclass_and_referenced_class_is_there(schema: Schema) -> None:
    for declared in schema.classes.values():
        assert declared.superclass is None or schema.find(declared.superclass) is not None
        members = [*declared.properties.values()]
        for method in declared.methods.values():
            members += method.parameters.values()
        for member in members:
            if member.type == "reference":
                assert schema.find(member.reference_class) is not None
            assert {name.lower() for name in member.qualifiers} <= set(schema.qualifiers)


def test_the_stop_error_codes_are_those_of_the_vocabulary(schema: Schema) -> None:
    system = schema.find("VirtCIM_ComputerSystem")
    assert system is not None
    qualifiers = system.properties["StopErrorCode"].qualifiers
    declared = dict(zip(qualifiers["ValueMap"].value, qualifiers["Values"].value, strict=True))
    assert declared == {str(int(code)): code.name for code in ErrorCode}


def test_relations_between_classes_are_told_in_any_case(schema: Schema) -> None:
    assert schema.canonical("CIM_COMPUTERSYSTEM") == "CIM_ComputerSystem"
    assert schema.canonical("CIM_Nothing") is None
    assert schema.find("CIM_Nothing") is None
    assert schema.superclass("CIM_Nothing") is None
    assert schema.superclass("CIM_ManagedElement") is None
    assert schema.is_a("VirtCIM_computersystem", "cim_managedelement")
    assert schema.is_a("CIM_System", "CIM_System")
    assert not schema.is_a("CIM_System", "CIM_ComputerSystem")
    assert not schema.is_a("CIM_Nothing", "CIM_Nothing")
    assert set(schema.subclasses("cim_computersystem")) == {
        "VirtCIM_ComputerSystem",
        "VirtCIM_HostSystem",
    }
    assert "VirtCIM_HostSystem" in schema.subclasses("CIM_System", deep=True)
    assert "VirtCIM_HostSystem" not in schema.subclasses("CIM_System")
    assert schema.subclasses("CIM_Nothing") == ()
    assert "CIM_ManagedElement" in schema.subclasses("")
    assert len(schema.subclasses("", deep=True)) == len(schema.classes)


def test_a_qualifier_declaration_names_its_scopes(schema: Schema) -> None:
    assert set(schema.qualifiers["description"].scopes) == {
        "CLASS",
        "ASSOCIATION",
        "REFERENCE",
        "PROPERTY",
        "METHOD",
        "PARAMETER",
        "INDICATION",
    }
    assert set(schema.qualifiers["key"].scopes) == {"PROPERTY", "REFERENCE"}


def test_what_was_loaded_is_what_was_compiled(
    archive: Path, compiled: Path, schema: Schema, tmp_path: Path
) -> None:
    ensure_schema(tmp_path, file=archive)
    assert compiled_file(tmp_path).read_bytes() == compiled_file(compiled).read_bytes()
    again = load_schema(tmp_path)
    assert dict(again.classes) == dict(schema.classes)
    assert dict(again.qualifiers) == dict(schema.qualifiers)


def test_nothing_is_done_twice(cache: Path) -> None:
    steps: list[str] = []
    before = compiled_file(cache).stat().st_mtime_ns
    ensure_schema(cache, steps.append)
    assert steps == []
    assert compiled_file(cache).stat().st_mtime_ns == before


@pytest.mark.parametrize("damage", ["truncated", "changed", "emptied", "replaced", "gone"])
def test_a_damaged_schema_is_compiled_anew(
    cache: Path, schema: Schema, archive: Path, compiling: list[bytes], damage: str
) -> None:
    file = compiled_file(cache)
    content = file.read_bytes()
    middle = len(content) // 2
    damaged = {
        "truncated": content[:middle],
        "changed": content[:middle] + b"X" + content[middle + 1 :],
        "emptied": b"",
        "replaced": b"<CIM/>",
    }
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(damaged[damage])
    assert len(load_schema(cache).classes) == len(schema.classes)
    assert compiling == [archive.read_bytes()]
    # The same bytes are the same classes: comparing each of them would take longer.
    assert compiled_file(cache).read_bytes() == content


def test_a_document_with_a_right_checksum_and_a_wrong_content_is_compiled_anew(
    cache: Path, schema: Schema, compiling: list[bytes]
) -> None:
    for count, body in enumerate(
        (b"<CIM/>", b"<CIM><X><Y/></X></CIM>", b"<OTHER/>", b"no XML"), start=1
    ):
        digest = hashlib.sha256(body).hexdigest()
        compiled_file(cache).write_bytes(f"<!-- sha256 {digest} -->\n".encode() + body)
        assert len(load_schema(cache).classes) == len(schema.classes)
        assert len(compiling) == count


def test_without_a_schema_the_command_that_makes_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="virtcim schema"):
        load_schema(tmp_path / "nothing")


def test_two_processes_may_make_it_at_once(archive: Path, tmp_path: Path, schema: Schema) -> None:
    program = (
        "import sys; from pathlib import Path; from virtcim.mof import ensure_schema, load_schema\n"
        "ensure_schema(Path(sys.argv[1]), file=Path(sys.argv[2]))\n"
        "print(len(load_schema(Path(sys.argv[1])).classes))"
    )
    command = [sys.executable, "-c", program, str(tmp_path), str(archive)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in running:
        output, errors = process.communicate(timeout=300)
        assert (process.returncode, output.strip()) == (0, str(len(schema.classes))), errors
    assert {each.name for each in tmp_path.iterdir()} == {
        ".lock",
        "dmtf-cim-schema.zip",
        compiled_file(tmp_path).name,
    }


def test_the_environment_chooses_cache_and_archive(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiling: list[bytes]
) -> None:
    monkeypatch.setenv("VIRTCIM_CIM_SCHEMA", str(archive))
    monkeypatch.setenv("VIRTCIM_CACHE", str(tmp_path / "own"))
    assert ensure_schema().parent == tmp_path / "own"
    assert compiling == [archive.read_bytes()]
    monkeypatch.delenv("VIRTCIM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "common"))
    assert cache_directory() == tmp_path / "common" / "virtcim"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_directory() == tmp_path / "home" / ".cache" / "virtcim"


def zip_of(**members: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in members.items():
            archive.writestr(f"{name}.mof", text)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no archive", "is not a zip archive"),
        (zip_of(other="class X {};"), "does not hold the MOF files"),
        (zip_of(qualifiers="nonsense", CIM_ComputerSystem="nonsense"), "MOF"),
    ],
    ids=["no zip", "other content", "no MOF"],
)
def test_a_file_that_is_no_schema_is_refused_and_nothing_is_lost(
    cache: Path, content: bytes, message: str
) -> None:
    file = cache / "given.zip"
    file.write_bytes(content)
    kept = (compiled_file(cache), cache / "dmtf-cim-schema.zip")
    before = [each.read_bytes() for each in kept]
    with pytest.raises(SchemaError, match=message):
        ensure_schema(cache, file=file)
    assert [each.read_bytes() for each in kept] == before


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"cannot read .*nothing\.zip"):
        ensure_schema(tmp_path, file=tmp_path / "nothing.zip")


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, archive: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(SchemaError, match="cannot keep the schema in"):
        ensure_schema(blocked / "cache", file=archive)


def test_without_pip_another_way_is_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(SchemaSourceError, match="--file"):
        read_archive(None, lambda step: None)


def run_command(*arguments: str, cache: Path) -> subprocess.CompletedProcess[str]:
    program = "import sys; from virtcim.cli import main; main(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", program, "schema", *arguments],
        env={"VIRTCIM_CACHE": str(cache), "PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_command_makes_the_schema_and_tells_where(
    archive: Path, tmp_path: Path, schema: Schema
) -> None:
    done = run_command("--json", "--file", str(archive), cache=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["path"] == str(compiled_file(tmp_path))
    assert summary["classes"] == len(schema.classes)
    assert "compiling" in done.stderr
    again = run_command(cache=tmp_path)
    assert again.returncode == 0
    assert str(compiled_file(tmp_path)) in again.stdout
    assert again.stderr == ""


def test_the_command_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    done = run_command("--file", str(tmp_path / "nothing.zip"), cache=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "cannot read" in done.stderr.splitlines()[-1]


def test_optional_classes_are_known_with_what_they_refer_to(schema: Schema) -> None:
    for name in (*OPTIONAL_CLASSES, *PROFILE_CLASSES):
        assert schema.canonical(name) == name
        assert (
            schema.is_a(name, "CIM_ManagedElement")
            or schema.is_a(name, "CIM_Indication")
            or (schema.outlines[name.lower()].is_association)
        )


def test_what_is_asked_of_all_classes_is_known_without_reading_them(compiled: Path) -> None:
    fresh = load_schema(compiled)
    for outline in fresh.outlines.values():
        assert fresh.canonical(outline.name) == outline.name
        assert fresh.superclass(outline.name) == (outline.superclass or None)
    for name, declared in fresh.classes.items():
        known = fresh.outlines[name]
        assert known.name == declared.classname
        assert (known.superclass or None) == declared.superclass
        assert known.is_association == ("Association" in declared.qualifiers)
        assert list(known.properties) == list(declared.properties)
        assert fresh.find(name) is declared
    assert {each.classname for each in fresh.associations()} == {
        each.name for each in fresh.outlines.values() if each.is_association
    }
    assert "requestedstate" in fresh.property_names


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch, cache: Path, tmp_path: Path) -> Path:
    """The system's cache holds the schema, and the user has none."""
    monkeypatch.setattr(cache_module, "SYSTEM_CACHE", cache)
    monkeypatch.setenv("VIRTCIM_CACHE", str(tmp_path / "nothing"))
    return cache


def test_who_has_no_schema_reads_that_of_the_system(system: Path) -> None:
    assert load_schema().classes
    (system / next(system.glob("schema-*.xml")).name).unlink()
    with pytest.raises(SchemaError, match="run `virtcim schema` once"):
        load_schema()


def test_who_has_no_home_reads_the_schema_of_the_system(
    system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home() -> Path:
        raise SchemaError("there is no home directory")

    monkeypatch.setattr(cache_module, "cache_directory", no_home)
    assert load_schema().classes


def test_who_may_not_look_into_the_cache_reads_the_schema_of_the_system(
    system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may look everywhere: the test runs as anybody.
    def forbidden(path: Path, *_: object, **__: object) -> bool:
        if path.parent.name == "nothing":
            raise PermissionError(13, "Permission denied", str(path))
        return True

    monkeypatch.setattr(Path, "exists", forbidden)
    assert load_schema().classes


def test_one_s_own_schema_comes_before_that_of_the_system(
    system: Path, monkeypatch: pytest.MonkeyPatch, compiled: Path
) -> None:
    for file in system.glob("schema-*.xml"):
        file.write_text("damaged")
    monkeypatch.setenv("VIRTCIM_CACHE", str(compiled))
    assert load_schema().classes


def test_the_system_s_schema_is_readable_for_everybody_whatever_the_umask(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, archive: Path, compiling: list[bytes]
) -> None:
    shared = tmp_path / "shared"
    monkeypatch.setattr(cache_module, "SYSTEM_CACHE", shared)
    before = os.umask(0o077)
    try:
        made = ensure_schema(shared, file=archive)
    finally:
        os.umask(before)
    assert shared.stat().st_mode & 0o777 == 0o755
    assert made.stat().st_mode & 0o777 == 0o644
