"""Clients that send bytes and take bytes: what a reply costs without the client's decoding."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import pywbem

__all__ = ["CimClient", "RequestError", "XmlRpcClient", "cim_request"]

_TIMEOUT_S = 60.0


class RequestError(RuntimeError):
    """A server did not answer what the measurement needs; the text has the reply's beginning."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT_S)
        self.sock.connect(self._path)


class _HttpClient:
    """One kept-alive HTTP connection to `http://HOST:PORT` or `unix:PATH`."""

    def __init__(self, url: str) -> None:
        self._connection = (
            _UnixConnection(url.removeprefix("unix:"))
            if url.startswith("unix:")
            else http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_S)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()

    def _post(self, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        self._connection.request("POST", path, body, dict(headers))
        response = self._connection.getresponse()
        reply = response.read()
        if response.status != http.client.OK:
            raise RequestError(f"HTTP status {response.status}: {reply[:1000]!r}")
        return reply


def cim_request(method: str, namespace: str, **parameters: str | pywbem.CIMInstanceName) -> bytes:
    """Write an intrinsic operation in CIM-XML; parameters are class names and object paths."""
    values = "".join(
        f'<IPARAMVALUE NAME="{name}">'
        + (f'<CLASSNAME NAME="{value}"/>' if isinstance(value, str) else value.tocimxmlstr())
        + "</IPARAMVALUE>"
        for name, value in parameters.items()
    )
    namespaces = "".join(f'<NAMESPACE NAME="{part}"/>' for part in namespace.split("/"))
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<CIM CIMVERSION="2.0" DTDVERSION="2.0"><MESSAGE ID="1" PROTOCOLVERSION="1.0">'
        f'<SIMPLEREQ><IMETHODCALL NAME="{method}">'
        f"<LOCALNAMESPACEPATH>{namespaces}</LOCALNAMESPACEPATH>{values}"
        "</IMETHODCALL></SIMPLEREQ></MESSAGE></CIM>\n"
    ).encode()


class CimClient(_HttpClient):
    """Sends CIM-XML requests and gives the whole reply."""

    def send(self, request: bytes) -> bytes:
        """Send one request over the kept-alive connection."""
        return self._post(
            "/cimom",
            request,
            {"Content-Type": "application/xml; charset=utf-8", "CIMOperation": "MethodCall"},
        )

    def send_anew(self, request: bytes) -> bytes:
        """Send one request over a new connection."""
        self._connection.close()
        return self.send(request)


class XmlRpcClient(_HttpClient):
    """A session with the toolstack."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._session = self._value("session.login_with_password", "benchmark", "benchmark")

    def request(self, method: str) -> bytes:
        """Write the request of a method that takes nothing but the session."""
        return xmlrpc.client.dumps((self._session,), method).encode()

    def send(self, request: bytes) -> bytes:
        """Send one request over the kept-alive connection and give the whole reply."""
        return self._post("/", request, {"Content-Type": "text/xml"})

    def call(self, method: str, *parameters: object) -> Any:
        """Call a method in the session and give its value. Raises RequestError when it fails."""
        return self._value(method, self._session, *parameters)

    def _value(self, method: str, *parameters: Any) -> Any:
        reply = self.send(xmlrpc.client.dumps(parameters, method).encode())
        (envelope,), _ = xmlrpc.client.loads(reply)
        if not isinstance(envelope, dict) or envelope.get("Status") != "Success":
            raise RequestError(f"{method}: {envelope!r}")
        return envelope["Value"]
