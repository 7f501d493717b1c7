"""XML-RPC over HTTP: hardened coding, the client's transport, the server's side, listeners."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from virtcim.wire.errors import MalformedMessage, RemoteFault, UnencodableValue

if TYPE_CHECKING:
    from virtcim.wire.application import ClientInfo, XmlRpcApplication
    from virtcim.wire.decode import Limits, decode_call, decode_response
    from virtcim.wire.encode import encode_call, encode_fault, encode_response
    from virtcim.wire.transport import TlsOptions, Transport
    from virtcim.wire.url import EndpointUrl, parse_endpoint_url

__all__ = [
    "ClientInfo",
    "EndpointUrl",
    "Limits",
    "MalformedMessage",
    "RemoteFault",
    "TlsOptions",
    "Transport",
    "UnencodableValue",
    "XmlRpcApplication",
    "decode_call",
    "decode_response",
    "encode_call",
    "encode_fault",
    "encode_response",
    "parse_endpoint_url",
]

# A server needs no client's transport, and a client no server: each is imported when it is named.
_HOMES = {
    "ClientInfo": "application",
    "XmlRpcApplication": "application",
    "Limits": "decode",
    "decode_call": "decode",
    "decode_response": "decode",
    "encode_call": "encode",
    "encode_fault": "encode",
    "encode_response": "encode",
    "TlsOptions": "transport",
    "Transport": "transport",
    "EndpointUrl": "url",
    "parse_endpoint_url": "url",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
