"""Requests that are well-formed but wrong in places that nobody thought of."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import httpx
from hypothesis import strategies as st

from virtcim.cim.records import StatusCode

__all__ = ["Mutations", "check_reason"]

_KNOWN = {
    code for name, code in vars(StatusCode).items() if name.isupper() and isinstance(code, int)
}


class Mutations:
    """Changes requests with what stands in others of them."""

    def __init__(self, requests: Iterable[str]) -> None:
        self._requests = [ElementTree.fromstring(text) for text in requests]
        elements = [one for request in self._requests for one in request.iter()]
        self._names = sorted({one.tag for one in elements})
        self._attributes = sorted({name for one in elements for name in one.attrib})
        self._mutations: list[Callable[[Element, st.DataObject], None]] = [
            self._rename,
            self._drop_child,
            self._double_child,
            self._nest,
            self._drop_attribute,
            self._set_attribute,
            self._set_text,
        ]

    def request(self, data: st.DataObject) -> bytes:
        """One of the requests, changed in up to three places."""
        request = copy.deepcopy(data.draw(st.sampled_from(self._requests)))
        for _ in range(data.draw(st.integers(1, 3))):
            element = data.draw(st.sampled_from(list(request.iter())))
            data.draw(st.sampled_from(self._mutations))(element, data)
        return ElementTree.tostring(request)

    def _rename(self, one: Element, data: st.DataObject) -> None:
        one.tag = data.draw(st.sampled_from(self._names))

    def _drop_child(self, one: Element, data: st.DataObject) -> None:
        if len(one):
            del one[data.draw(st.integers(0, len(one) - 1))]

    def _double_child(self, one: Element, data: st.DataObject) -> None:
        if len(one):
            one.append(copy.deepcopy(one[data.draw(st.integers(0, len(one) - 1))]))

    def _nest(self, one: Element, _data: st.DataObject) -> None:
        one.append(copy.deepcopy(one))

    def _drop_attribute(self, one: Element, data: st.DataObject) -> None:
        if one.keys():
            del one.attrib[data.draw(st.sampled_from(sorted(one.keys())))]

    def _set_attribute(self, one: Element, data: st.DataObject) -> None:
        value = data.draw(st.sampled_from(["", "x", "CIM_System", "Name", "numeric", "0", "\t"]))
        one.set(data.draw(st.sampled_from(self._attributes)), value)

    def _set_text(self, one: Element, data: st.DataObject) -> None:
        one.text = data.draw(st.sampled_from(["", " ", "x", "99999999999999999999", "-1", "TRUE"]))


def check_reason(response: httpx.Response, body: bytes) -> None:
    """That a request was answered, or refused with a reason of its own."""
    assert response.status_code in (200, 400, 501)
    assert "ERR_UNKNOWN" not in response.text, body
    assert (response.status_code == 200) == ("CIMError" not in response.headers)
    if response.status_code == 200:
        answer = ElementTree.fromstring(response.content)
        assert {int(error.get("CODE", "0")) for error in answer.iter("ERROR")} <= _KNOWN
