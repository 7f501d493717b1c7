"""What a package index shows: no link of it leads nowhere."""

from __future__ import annotations

import re
from importlib.metadata import metadata
from pathlib import Path

import pytest
from package_description import addresses, description, relative_links, with_absolute_links

_ROOT = Path(__file__).parents[2]
_NOWHERE = {"repository": "", "file": "{repository}/blob/v{version}/{path}"}
_SOMEWHERE = {**_NOWHERE, "repository": "https://example.org/it/"}


def test_the_links_of_the_readme_lead_to_files() -> None:
    links = relative_links((_ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not (_ROOT / link.partition("#")[0]).is_file()] == []


def test_no_relative_link_is_left_in_the_description() -> None:
    assert relative_links(description()) == []
    assert description().startswith("# virtcim\n")


def test_the_installed_metadata_has_that_description() -> None:
    text = metadata("virtcim").get_payload()
    assert isinstance(text, str)
    assert text.startswith("# virtcim\n")
    assert relative_links(text) == []


@pytest.mark.parametrize(
    ("link", "without_address", "with_address"),
    [
        ("[a](docs/a.md)", "a (docs/a.md)", "[a](https://example.org/it/blob/v1.2.3/docs/a.md)"),
        (
            "[docs/a.md](docs/a.md#b)",
            "docs/a.md",
            "[docs/a.md](https://example.org/it/blob/v1.2.3/docs/a.md#b)",
        ),
        ("[it](https://example.net)", "[it](https://example.net)", "[it](https://example.net)"),
        ("[it](mailto:a@b)", "[it](mailto:a@b)", "[it](mailto:a@b)"),
    ],
)
def test_a_link_becomes_absolute_or_text(
    link: str, without_address: str, with_address: str
) -> None:
    assert with_absolute_links(link, _NOWHERE, "1.2.3") == without_address
    assert with_absolute_links(link, _SOMEWHERE, "1.2.3") == with_address


def test_the_addresses_of_the_project_come_from_the_one_setting(tmp_path: Path) -> None:
    text = (_ROOT / "pyproject.toml").read_text()
    (tmp_path / "pyproject.toml").write_text(re.sub("(?m)^repository = .*", "", text))
    with pytest.raises(KeyError):
        addresses(tmp_path)
    setting = 'repository = "https://example.org/it"'
    (tmp_path / "pyproject.toml").write_text(re.sub("(?m)^repository = .*", setting, text))
    version = re.findall('(?m)^version = "(.*)"$', text)[0]
    assert addresses(tmp_path) == {
        "Repository": "https://example.org/it",
        "Changes": f"https://example.org/it/blob/v{version}/CHANGELOG.md",
    }
