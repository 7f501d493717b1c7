"""XML-RPC over HTTP: hardened coding, the client's transport, the server's side, listeners."""

from __future__ import annotations

from virtcim.wire.application import ClientInfo, XmlRpcApplication
from virtcim.wire.decode import Limits, decode_call, decode_response
from virtcim.wire.encode import encode_call, encode_fault, encode_response
from virtcim.wire.errors import MalformedMessage, RemoteFault, UnencodableValue
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
