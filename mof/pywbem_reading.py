"""CIM-XML read into pywbem's objects: the one place that uses modules which pywbem keeps private.

pywbem reads CIM-XML in the answers of a server only; its public functions take no text. What is
relied upon is held by a test, so that a version of pywbem that changes it is noticed at once.
"""

from __future__ import annotations

from typing import Any

from pywbem._tupleparse import TupleParser
from pywbem._tupletree import xml_to_tupletree_sax

__all__ = ["read_element", "read_elements"]

_WHAT = "compiled schema"


def read_element(document: bytes) -> Any:
    """The pywbem object that one element of CIM-XML is, such as ``CIMClass`` for CLASS.

    Raises pywbem.Error (ParseError) for what is not well-formed or no such element.
    """
    return TupleParser().parse_any(xml_to_tupletree_sax(document, _WHAT))


def read_elements(document: bytes) -> list[Any]:
    """The objects that the elements within one outer element are. Raises pywbem.Error."""
    _, _, elements = xml_to_tupletree_sax(document, _WHAT)
    parser = TupleParser()
    return [parser.parse_any(each) for each in elements]
