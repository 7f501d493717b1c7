"""Queries over the instances of a class (DSP0200 "ExecQuery" and "OpenQueryInstances")."""

from __future__ import annotations

from collections.abc import Callable

from virtcim.cim.cimxml.instances import Form, Selection
from virtcim.cim.cimxml.responses import Reply
from virtcim.cim.cimxml.values import shown
from virtcim.cim.records import CimError, Record, StatusCode
from virtcim.cimserver.operations.call import Arguments, Context, Operation
from virtcim.cimserver.operations.pull import OPEN_PARAMETERS, opened
from virtcim.cimserver.queries import InvalidQuery, Query, UnknownLanguage, compile_query

__all__ = ["OPERATIONS"]


def _exec_query(context: Context, arguments: Arguments) -> Reply:
    query = _query(context, arguments.text("QueryLanguage"), arguments.text("Query"))
    write = _writer(context, query, "VALUE.OBJECTWITHPATH")
    found = context.providers.enumerate_instances(context.namespace, query.class_name)
    return Reply(result=(write(record) for record in found if query.selects(record)))


def _open_query_instances(context: Context, arguments: Arguments) -> Reply:
    if arguments.flag("ReturnQueryResultClass", default=False):
        raise CimError(StatusCode.NOT_SUPPORTED, "ReturnQueryResultClass is not supported")
    query = _query(context, arguments.text("FilterQueryLanguage"), arguments.text("FilterQuery"))

    def find() -> list[Record]:
        found = context.providers.enumerate_instances(context.namespace, query.class_name)
        return [record for record in found if query.selects(record)]

    return opened(context, arguments, "PullInstances", find, _writer(context, query, "INSTANCE"))


def _writer(context: Context, query: Query, form: Form) -> Callable[[Record], bytes]:
    return context.services.encoder.writer(form, Selection(property_list=query.properties)).in_list


def _query(context: Context, language: str, text: str) -> Query:
    try:
        return compile_query(language, text, context.services.declarations)
    except UnknownLanguage:
        raise CimError(
            StatusCode.QUERY_LANGUAGE_NOT_SUPPORTED,
            f"the query language {shown(language)} is not supported; DMTF:CQL and WQL are",
        ) from None
    except InvalidQuery as exc:
        raise CimError(StatusCode.INVALID_QUERY, f"the query is invalid: {exc}") from None


OPERATIONS: dict[str, Operation] = {
    "ExecQuery": Operation(
        parameters={"QueryLanguage": "string", "Query": "string"},
        required=("QueryLanguage", "Query"),
        run=_exec_query,
    ),
    "OpenQueryInstances": Operation(
        parameters={**OPEN_PARAMETERS, "ReturnQueryResultClass": "boolean"},
        required=("FilterQueryLanguage", "FilterQuery"),
        run=_open_query_instances,
    ),
}
