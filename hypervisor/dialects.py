"""The management APIs that can be spoken: one row and one package for each dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

from virtcim.hypervisor.endpoint import Endpoint
from virtcim.hypervisor.xenapi.endpoint import XenApiEndpoint
from virtcim.hypervisor.xenapi.session import Credentials
from virtcim.wire import EndpointUrl, TlsOptions

__all__ = ["DIALECTS", "open_endpoint"]


class _Opening(Protocol):
    def __call__(
        self,
        url: EndpointUrl,
        *,
        name: str,
        credentials: Credentials,
        tls: TlsOptions,
        on_resynchronised: Callable[[], None],
    ) -> Endpoint: ...


#: By the scheme of the URL: ``xapi+https`` is dialect ``xapi`` over ``https``.
DIALECTS: Mapping[str, _Opening] = MappingProxyType({"xapi": XenApiEndpoint})


def open_endpoint(
    url: EndpointUrl,
    *,
    name: str = "",
    credentials: Credentials | None = None,
    tls: TlsOptions | None = None,
    on_resynchronised: Callable[[], None] = lambda: None,
) -> Endpoint:
    """Begin to follow the hypervisor at ``url``, in the dialect that it names.

    Nothing is waited for: what cannot be reached is tried again, and says why meanwhile;
    ``on_resynchronised`` is called whenever everything was read. Raises ValueError for a dialect
    that is not spoken.
    """
    opening = DIALECTS.get(url.dialect)
    if opening is None:
        spoken = " and ".join(DIALECTS)
        raise ValueError(f"the dialect of {url} is not supported; {spoken} is")
    return opening(
        url,
        name=name,
        credentials=credentials or Credentials(),
        tls=tls or TlsOptions(),
        on_resynchronised=on_resynchronised,
    )
