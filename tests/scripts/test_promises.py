"""The table of promises fits the tree, so that scripts/promises.py can break each of them."""

from __future__ import annotations

from pathlib import Path

import promises
import pytest


def test_every_guard_and_every_test_is_where_the_table_says() -> None:
    found = promises.read()
    assert found
    assert len({each.name for each in found}) == len(found)
    assert all(each.before != each.after for each in found)


@pytest.mark.parametrize(
    ("entry", "slip"),
    [
        ('name = "a"', "a: a promise has the texts"),
        ('name = "a"\nfile = "f"\nbefore = "x"\nafter = ""\ntests = 1', "a promise has the texts"),
        ('name = "a"\nfile = "f"\nbefore = "y"\nafter = ""\ntests = "t"', "stands 0 times in f"),
        ('name = "a"\nfile = "f"\nbefore = "x"\nafter = ""\ntests = "t"', "stands 2 times in f"),
        (
            'name = "a"\nfile = "f"\nbefore = "xx"\nafter = ""\ntests = "tests/none.py"',
            "there is no tests/none.py",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tmp_path: Path, entry: str, slip: str) -> None:
    (tmp_path / "f").write_text("xx", encoding="utf-8")
    table = tmp_path / "promises.toml"
    table.write_text(f"[[promise]]\n{entry}\n", encoding="utf-8")
    with pytest.raises(promises.PromiseError, match=slip):
        promises.read(tmp_path, table)
