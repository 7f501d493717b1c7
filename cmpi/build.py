"""Building the library: ``python -m virtcim.cmpi.build --into DIR``.

It is built where it shall run, as it belongs to the Python that builds it: that takes a C compiler
and Python's headers, and nothing of a CIM server. Beside it stands a file that names this Python.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from virtcim.cmpi.host import DEFAULT_HOST
from virtcim.providers import INTEROP

__all__ = ["LIBRARY", "BuildError", "build", "main", "sources"]

#: The name of the library, as servers name it: without "lib" and ".so".
LIBRARY = "virtcim_cmpi"
_MODULE = "_virtcim_cmpi"
_LIBRARY_SOURCES = Path(__file__).with_name("library")
_FLAGS = ("-std=gnu11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall")

# What of C Python uses; library/bridge.h has the rest of it.
_USED = """
    typedef struct CMPIBroker CMPIBroker;
    typedef struct CMPIContext CMPIContext;
    typedef struct virtcim_call {
        const CMPIBroker *broker;
        int left_out;
        char reason[256];
        ...;
    } virtcim_call;
    extern "Python+C" int virtcim_serve(virtcim_call *, int, int, const char *, size_t);
    int virtcim_give(virtcim_call *, const char *, size_t);
    CMPIContext *virtcim_prepare(virtcim_call *);
    int virtcim_deliver(const CMPIBroker *, CMPIContext **, const char *, size_t, char *, size_t);
    void virtcim_forget(CMPIContext *);
    int virtcim_is_a(virtcim_call *, const char *, const char *, const char *);
"""
# It cannot fail where virtcim.cmpi.embedded could be imported before, which library/start.c does.
_FIRST = f"""
    from {_MODULE} import ffi, lib
    from virtcim.cmpi.embedded import connect
    connect(ffi, lib)
"""
_CONNECTING = """
    #include "bridge.h"
    int virtcim_connect_python(void) { return cffi_start_python(); }
"""


class BuildError(Exception):
    """The library cannot be built; the text is a sentence for a person."""


def sources() -> tuple[Path, ...]:
    """The parts of it that are written in C."""
    return tuple(sorted(_LIBRARY_SOURCES.glob("*.c")))


def build(
    into: Path,
    *,
    host: str = DEFAULT_HOST,
    path: str = "",
    interop: str = "",
    providers: Sequence[Path] = (),
    flags: Sequence[str] = (),
) -> Path:
    """Build the library and its settings into a directory; its path.

    ``host`` names the function that gives the providers, ``path`` one more directory of modules,
    ``interop`` what the server calls its interop namespace; ``providers`` are files with providers
    of other people, which are served instead; ``flags`` are more for the compiler. What was there
    is replaced at once, so that a server that has it loaded keeps the old one. Raises BuildError.
    """
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise BuildError(
            f"{headers / 'Python.h'} is not there: Python's headers are needed (python3-dev or "
            f"python3-devel, for Python {version})"
        )
    if find_spec("cffi") is None:
        raise BuildError("cffi is not installed: pip install 'virtcim[cmpi]'")
    for provider in providers:
        if not provider.is_file():
            raise BuildError(f"{provider} is not there: a provider is one file of Python")
    into.mkdir(parents=True, exist_ok=True)
    library = into / f"lib{LIBRARY}.so"
    with tempfile.TemporaryDirectory(dir=into, prefix=".building-") as work:
        made = Path(work) / library.name
        glue = Path(work) / "python_side.c"
        _write_glue(glue)
        _compile(made, [glue, *sources()], flags)
        settings = Path(work) / "settings"
        lines = [
            f"executable={Path(sys.executable).absolute()}",
            # What the library is linked with: registration builds it anew for another one.
            f"python={sys.version_info.major}.{sys.version_info.minor}",
            f"host={host}",
        ]
        lines += [f"path={path}"] if path else []
        lines += [f"interop={interop}"] if interop and interop != INTEROP else []
        lines += [f"provider={one.absolute()}" for one in providers]
        settings.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        settings.chmod(0o644)
        made.chmod(0o755)
        settings.replace(library.with_suffix(".conf"))
        made.replace(library)
    return library


def _write_glue(file: Path) -> None:
    from cffi import FFI

    ffi = FFI()
    ffi.cdef(_USED)
    ffi.embedding_api("")
    ffi.embedding_init_code(_FIRST)
    ffi.set_source(_MODULE, _CONNECTING)
    with contextlib.redirect_stdout(io.StringIO()):  # it tells what it does
        ffi.emit_c_code(str(file))


def _compile(library: Path, files: Sequence[Path], flags: Sequence[str]) -> None:
    version = sysconfig.get_config_var("LDVERSION")
    command = [
        *shlex.split(os.environ.get("CC", "cc")),
        *_FLAGS,
        f"-I{_LIBRARY_SOURCES}",
        f"-I{sysconfig.get_path('include')}",
        *flags,
        *map(str, files),
        f"-L{sysconfig.get_config_var('LIBDIR')}",
        f"-lpython{version}",
        "-ldl",
        "-lpthread",
        "-o",
        str(library),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BuildError(f"there is no C compiler: {command[0]}: {error.strerror}") from error
    if done.returncode:
        raise BuildError(f"{shlex.join(command)} failed:\n{done.stderr.strip()}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Build it, and print where it is; 1 where that fails."""
    parser = argparse.ArgumentParser(
        prog="python -m virtcim.cmpi.build", description="Build the bridge for CIM servers."
    )
    parser.add_argument("--into", type=Path, required=True, help="the directory to build it into")
    parser.add_argument(
        "--host", default=DEFAULT_HOST, help="the function that gives the providers, MODULE:NAME"
    )
    parser.add_argument(
        "--interop", default=INTEROP, help="what the server calls its interop namespace"
    )
    parser.add_argument(
        "--provider",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a file with providers written for CIMProvider2, served instead; may be repeated",
    )
    given = parser.parse_args(arguments)
    try:
        made = build(given.into, host=given.host, interop=given.interop, providers=given.provider)
        sys.stdout.write(f"{made}\n")
    except (BuildError, OSError) as error:
        sys.stderr.write(f"the bridge cannot be built: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
