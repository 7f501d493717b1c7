"""What is taken for a value, and what stays for rules to look at."""

from __future__ import annotations

import pytest

from virtcim.errormap.reading.values import parted

_UUID = "5d1f8c3e-6b0a-4e7c-9d6e-3b8f0c2a1d44"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (f"no domain with matching uuid '{_UUID}'", [_UUID]),
        (f"OpaqueRef:{_UUID}", [_UUID]),
        ("web-00017", ["00017"]),
        ("vm1234", ["1234"]),
        ("/srv/images/3fa2b1c4.qcow2", ["3fa2b1c4"]),
        ("tap3fa2b1c4-5e", ["3fa2b1c4"]),
        ("fa2b1c4d, fa2b1c4d", ["fa2b1c4d", "fa2b1c4d"]),
        ("node12345678, base12345678f", ["12345678", "12345678f"]),
        ("needed 2147483648 of 1073741824", ["2147483648", "1073741824"]),
        ("2026-11-20T08:49:38.500017Z", ["2026", "500017"]),
        ("-12345 and 12345MiB", ["12345", "12345"]),
    ],
)
def test_identifiers_and_long_numbers_are_values(text: str, values: list[str]) -> None:
    assert parted(text)[1] == values


@pytest.mark.parametrize(
    "text",
    [
        "No such file or directory [Errno 2]",
        "HTTP 404, VIR_ERR_SYSTEM_ERROR 38, SR_BACKEND_FAILURE_460",
        "0038 is an errno with noughts",
        "a facade added, defaced and decade by decade",
        "\\u2019 and \\u20180\\u2019123",
        "0000:01:00.0",
    ],
)
def test_what_may_be_asked_for_is_no_value(text: str) -> None:
    assert parted(text) == ([text], [])


def test_what_is_kept_of_a_value_is_its_kind() -> None:
    def kinds(text: str) -> list[object]:
        return parted(text)[0][1::2]

    assert kinds("1234 and 9999") == [4, 4]
    assert kinds("12345, 01234") == [5, -5]
    assert kinds(f"3fa2b1c4 of {_UUID}") == [108, 136]


def test_a_text_is_its_parts_and_its_values() -> None:
    text = f"vm1234 of {_UUID}: 00017"
    parts, values = parted(text)
    pairs = zip(parts[::2], [*values, ""], strict=True)
    assert "".join(f"{part}{value}" for part, value in pairs) == text
