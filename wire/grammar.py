"""The grammar of XML-RPC (http://xmlrpc.com/spec.md) as a table of states."""

from __future__ import annotations

from enum import IntEnum, auto
from typing import Final

__all__ = ["CONTAINERS", "GRAMMAR", "SILENT_ENDS", "State"]


class State(IntEnum):
    """Which element is open, and what it has had; *_END takes nothing more."""

    DOCUMENT = auto()
    DONE = auto()
    CALL = auto()
    METHOD_NAME = auto()
    CALL_NAMED = auto()
    CALL_END = auto()
    PARAMS = auto()
    RESPONSE = auto()
    RESPONSE_PARAMS = auto()
    RESPONSE_PARAMS_END = auto()
    RESPONSE_END = auto()
    FAULT = auto()
    FAULT_END = auto()
    PARAM = auto()
    PARAM_END = auto()
    VALUE = auto()
    VALUE_END = auto()
    STRUCT = auto()
    MEMBER = auto()
    NAME = auto()
    MEMBER_NAMED = auto()
    MEMBER_END = auto()
    ARRAY = auto()
    ARRAY_END = auto()
    DATA = auto()
    STRING = auto()
    INT = auto()
    I8 = auto()
    BOOLEAN = auto()
    DOUBLE = auto()
    DATETIME = auto()
    BASE64 = auto()
    NIL = auto()


_S = State

# state -> element that may start -> (its own state, the state it leaves its parent in)
GRAMMAR: Final[dict[int, dict[str, tuple[int, int]]]] = {
    _S.CALL: {"methodName": (_S.METHOD_NAME, _S.CALL_NAMED)},
    _S.CALL_NAMED: {"params": (_S.PARAMS, _S.CALL_END)},
    _S.PARAMS: {"param": (_S.PARAM, _S.PARAMS)},
    _S.RESPONSE: {
        "params": (_S.RESPONSE_PARAMS, _S.RESPONSE_END),
        "fault": (_S.FAULT, _S.RESPONSE_END),
    },
    _S.RESPONSE_PARAMS: {"param": (_S.PARAM, _S.RESPONSE_PARAMS_END)},
    _S.FAULT: {"value": (_S.VALUE, _S.FAULT_END)},
    _S.PARAM: {"value": (_S.VALUE, _S.PARAM_END)},
    _S.VALUE: {
        "string": (_S.STRING, _S.VALUE_END),
        "int": (_S.INT, _S.VALUE_END),
        "i4": (_S.INT, _S.VALUE_END),
        "i8": (_S.I8, _S.VALUE_END),
        "boolean": (_S.BOOLEAN, _S.VALUE_END),
        "double": (_S.DOUBLE, _S.VALUE_END),
        "dateTime.iso8601": (_S.DATETIME, _S.VALUE_END),
        "base64": (_S.BASE64, _S.VALUE_END),
        "nil": (_S.NIL, _S.VALUE_END),
        "struct": (_S.STRUCT, _S.VALUE_END),
        "array": (_S.ARRAY, _S.VALUE_END),
    },
    _S.STRUCT: {"member": (_S.MEMBER, _S.STRUCT)},
    _S.MEMBER: {"name": (_S.NAME, _S.MEMBER_NAMED)},
    _S.MEMBER_NAMED: {"value": (_S.VALUE, _S.MEMBER_END)},
    _S.ARRAY: {"data": (_S.DATA, _S.ARRAY_END)},
    _S.DATA: {"value": (_S.VALUE, _S.DATA)},
}

CONTAINERS: Final = frozenset({_S.STRUCT, _S.ARRAY})

# States in which an element may end without any action; the rest have one in the decoder.
SILENT_ENDS: Final = frozenset(
    {
        _S.CALL_NAMED,
        _S.CALL_END,
        _S.PARAMS,
        _S.RESPONSE_PARAMS_END,
        _S.RESPONSE_END,
        _S.FAULT_END,
        _S.PARAM_END,
        _S.VALUE_END,
        _S.MEMBER_END,
        _S.ARRAY_END,
    }
)
