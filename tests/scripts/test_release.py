"""A release is refused by what it lacks, before anything is changed or built."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from release import (
    ReleaseError,
    check_address,
    check_built,
    give_version,
    join_unreleased,
    main,
)

_ROOT = Path(__file__).parents[2]
_SOURCES = ("tests/conftest.py", "docs/architecture.md", "scripts/test", "changes/README.md")


def _pyproject(directory: Path, repository: str) -> Path:
    text = (_ROOT / "pyproject.toml").read_text()
    path = directory / "pyproject.toml"
    path.write_text(re.sub("(?m)^repository = .*", f'repository = "{repository}"', text))
    return path


@pytest.mark.parametrize("repository", ["", "example.org/it", "http://example.org/it", "https://x"])
def test_a_release_without_an_address_is_refused(tmp_path: Path, repository: str) -> None:
    with pytest.raises(ReleaseError, match="must be the https address"):
        check_address(_pyproject(tmp_path, repository))


def test_nothing_is_changed_where_the_address_is_missing(tmp_path: Path) -> None:
    shutil.copytree(_ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__*"))
    pyproject = _pyproject(tmp_path, "")
    before = pyproject.read_bytes()
    done = subprocess.run(
        [sys.executable, tmp_path / "scripts" / "release.py", "0.1.0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("release: repository in [tool.virtcim.address] of pyproject.toml")
    assert done.stdout == ""
    assert pyproject.read_bytes() == before


@pytest.mark.parametrize("version", ["1", "1.2", "1.2.3.dev0", "v1.2.3", "1.2.3 "])
def test_what_is_no_version_of_a_release_is_refused(version: str) -> None:
    with pytest.raises(ReleaseError, match="is no version of a release"):
        main([version, "--draft"])


def test_an_address_is_taken(tmp_path: Path) -> None:
    check_address(_pyproject(tmp_path, "https://example.org/some/virtcim"))


def test_the_version_is_written_where_it_stands(tmp_path: Path) -> None:
    path = _pyproject(tmp_path, "")
    before = path.read_text()
    give_version(path, "1.2.3")
    assert '\nversion = "1.2.3"\n' in path.read_text()
    assert re.sub('(?m)^version = ".*"', "", path.read_text()) == re.sub(
        '(?m)^version = ".*"', "", before
    )


def test_what_was_noted_in_one_list_ends_the_release(tmp_path: Path) -> None:
    path = tmp_path / "CHANGELOG.md"
    path.write_text("# C\n\n## 1.0.0 (d)\n\n### Added\n\n- a\n## Unreleased\n\n- b\n")
    join_unreleased(path)
    expected = "# C\n\n## 1.0.0 (d)\n\n### Added\n\n- a\n\n### From the beginning\n\n- b\n"
    assert path.read_text() == expected
    join_unreleased(path)
    assert path.read_text() == expected


def _built(directory: Path, description: str, sources: tuple[str, ...] = _SOURCES) -> list[Path]:
    metadata = f"Metadata-Version: 2.4\nName: virtcim\n\n{description}"
    wheel = directory / "virtcim-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("virtcim-1.dist-info/METADATA", metadata)
    packed = directory / "virtcim-1.tar.gz"
    with tarfile.open(packed, "w:gz") as archive_of_sources:
        for name in ("PKG-INFO", *sources):
            entry = tarfile.TarInfo(f"virtcim-1/{name}")
            entry.size = len(metadata)
            archive_of_sources.addfile(entry, io.BytesIO(metadata.encode()))
    return sorted(directory.iterdir())


def test_what_is_built_well_is_accepted(tmp_path: Path) -> None:
    check_built(_built(tmp_path, "Some [link](https://example.org)."))


def test_a_description_that_links_beside_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"docs/a\.md"):
        check_built(_built(tmp_path, "Some [link](docs/a.md)."))


def test_no_description_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="is empty"):
        check_built(_built(tmp_path, ""))


def test_sources_without_their_tests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"lacks tests/conftest\.py"):
        check_built(_built(tmp_path, "Text.", _SOURCES[1:]))


def test_one_kind_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="built were"):
        check_built(_built(tmp_path, "Text.")[:1])
