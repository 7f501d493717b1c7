"""The kind of host that has providers written for CIMProvider2 (``ForeignHost``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pywbem

from virtcim.cim.records import CimError
from virtcim.cmpi.provider2.base_class import supply
from virtcim.cmpi.provider2.cimom_handle import CIMOMHandle
from virtcim.cmpi.provider2.delivering import Deliverer
from virtcim.cmpi.provider2.dispatch import Dispatch
from virtcim.cmpi.provider2.environment import ProviderEnvironment
from virtcim.cmpi.provider2.indications import INDICATION_OPERATIONS, disable
from virtcim.cmpi.provider2.loading import Modules
from virtcim.cmpi.provider2.operations import OPERATIONS, Session
from virtcim.cmpi.provider2.reading import PywbemReader
from virtcim.cmpi.provider2.writing import PywbemWriter
from virtcim.cmpi.request import Call, ForeignHost, Request
from virtcim.cmpi.statuses import lonely_incident

__all__ = ["open_providers"]

_ALL_OPERATIONS = {**OPERATIONS, **INDICATION_OPERATIONS}


def open_providers(files: Sequence[Path]) -> ForeignHost:
    """Load providers; what cannot be loaded is told to whoever asks for what nobody serves."""
    supply()
    opened = _Opened(files)
    opened.modules.load_others()
    return ForeignHost(
        serve=opened.serve,
        may_unload=opened.may_unload,
        incident=lonely_incident,
        close=opened.close,
    )


class _Opened:
    """Providers that were loaded, and what belongs to them; safe in many threads."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.deliverer = Deliverer()
        self.modules = Modules(files, self._environment)
        self.dispatch = Dispatch(self.modules)
        self._writers = {embeds: PywbemWriter(embeds=embeds) for embeds in (False, True)}

    def _handle(self, env: ProviderEnvironment) -> CIMOMHandle:
        return CIMOMHandle(env, self.dispatch, self.deliverer)

    def _environment(self) -> ProviderEnvironment:
        return ProviderEnvironment(self._handle)

    def serve(self, call: Call, request: Request, embeds: bool) -> None:
        """One request. Raises CimError, and what providers raise that nobody foresaw."""
        reader = PywbemReader(request.rest.block)
        principal, language = reader.text() or "", reader.text() or ""
        env = ProviderEnvironment(self._handle, call=call, principal=principal, language=language)
        path = reader.instance_name()
        reader.pass_arguments()
        session = Session(
            env=env,
            call=call,
            path=path,
            request=request,
            rest=reader,
            writer=self._writers[embeds],
            dispatch=self.dispatch,
            modules=self.modules,
            deliverer=self.deliverer,
        )
        self.deliverer.serving(True)
        try:
            _ALL_OPERATIONS[request.operation](session)
        except pywbem.CIMError as error:
            raise CimError(error.status_code, error.status_description) from error
        finally:
            self.deliverer.serving(False)
            env.end()

    def may_unload(self) -> bool:
        """Whether no provider minds."""
        if self.deliverer.is_open:
            return False
        answers = [one.call("can_unload", self._environment()) for one in self.modules]
        return all(answer is None or answer for answer in answers)

    def close(self) -> None:
        """Have all providers end, and tell the server nothing any more."""
        disable(self.modules, self.deliverer, self._environment())
        self.modules.unload()
