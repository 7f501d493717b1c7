"""The calls that follow from the fields of a class alone, and setters of clients' own notes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from virtcim.toolstack.calltable import Call, Context
from virtcim.toolstack.datamodel import CLASSES, Record, RecordClass
from virtcim.toolstack.faults import XapiFailure, handle_invalid
from virtcim.toolstack.left_values import check_size
from virtcim.toolstack.names import check_label
from virtcim.toolstack.parameters import Parameter

__all__ = ["Change", "SetField", "accessor_calls", "setter_calls"]

# Fields that clients may set and that mean nothing to libvirt, by class.
_NOTES: Mapping[str, tuple[str, ...]] = {
    "VBD": ("other_config", "unpluggable"),
    "VIF": ("other_config",),
    "VDI": ("name_label", "name_description", "other_config", "xenstore_data", "tags"),
    "SR": ("name_label", "name_description", "other_config", "tags"),
    "PBD": ("other_config",),
    "network": ("name_label", "name_description", "other_config", "tags"),
    "host": ("name_label", "name_description", "other_config", "tags"),
    "pool": ("name_label", "name_description", "other_config", "tags", "gui_config"),
    "host_metrics": ("other_config",),
    "host_cpu": ("other_config",),
    "console": ("other_config",),
}

# Gives what a field shall be instead of what it is; raises XapiFailure where that cannot be.
Change = Callable[[Any], Any]
# Context, reference, field, change. The change is asked under the lock that what it gives is
# written under, so that nothing of what others write meanwhile is lost.
SetField = Callable[[Context, str, str, Change], None]
_SELF = "self"
_LABEL = "name_label"


def accessor_calls() -> Iterator[Call]:
    """Give get_all, get_all_records, get_record, get_by_* and get_<field> of every class."""
    for record_class in CLASSES.values():
        if record_class.name != "session":
            yield from _table_calls(record_class)
        yield _inline(record_class, "get_record", (_reference(record_class),), _record)
        for field in record_class.fields:
            yield _inline(
                record_class, f"get_{field}", (_reference(record_class),), _field_getter(field)
            )
        for field in _NOTES.get(record_class.name, ()):
            yield from setter_calls(record_class, field, _set_note(record_class.name))


def _table_calls(record_class: RecordClass) -> Iterator[Call]:
    name = record_class.name

    def get_all(context: Context) -> list[str]:
        return context.services.database.references(name)

    async def get_all_records(context: Context) -> dict[str, Record]:
        return await _records(context, name)

    def get_by_uuid(context: Context, uuid: str) -> str:
        ref = context.services.database.by_uuid(name, uuid.lower())
        if ref is None:
            raise XapiFailure("UUID_INVALID", name, uuid)
        return ref

    async def get_by_name_label(context: Context, label: str) -> list[str]:
        records = await _records(context, name)
        return [ref for ref, record in records.items() if record["name_label"] == label]

    yield _inline(record_class, "get_all", (), get_all)
    yield _of_table(record_class, "get_all_records", (), get_all_records)
    yield _inline(record_class, "get_by_uuid", (_text("uuid"),), get_by_uuid)
    if record_class.labelled:
        yield _of_table(record_class, "get_by_name_label", (_text("label"),), get_by_name_label)


async def _records(context: Context, name: str) -> dict[str, Record]:
    """Give all records of a class; where they are still to be made others need not wait."""
    database = context.services.database
    if database.is_made((name,)):
        return database.records(name)
    return await context.run(database.records, name)


def _of_table(
    record_class: RecordClass,
    method: str,
    parameters: tuple[Parameter, ...],
    handler: Callable[..., Awaitable[object]],
) -> Call:
    return Call(
        name=f"{record_class.name}.{method}",
        parameters=parameters,
        handler=handler,
        inline=True,
        needs_libvirt=record_class.needs_libvirt,
    )


def _inline(
    record_class: RecordClass,
    method: str,
    parameters: tuple[Parameter, ...],
    handler: Callable[..., object],
) -> Call:
    def answer(context: Context, *arguments: str) -> object:
        if parameters and parameters[0].kind == record_class.name:
            return handler(_find(context, record_class.name, arguments[0]))
        return handler(context, *arguments)

    return Call(
        name=f"{record_class.name}.{method}",
        parameters=parameters,
        handler=answer,
        inline=True,
        needs_libvirt=record_class.needs_libvirt,
    )


def _find(context: Context, class_name: str, ref: str) -> Record:
    if class_name != "session":
        return context.record(class_name, ref)
    record = context.services.sessions.get(ref)
    if record is None:
        raise handle_invalid(class_name, ref)
    return record


def _record(record: Record) -> Record:
    return record


def _field_getter(field: str) -> Callable[[Record], object]:
    def get(record: Record) -> object:
        return record[field]

    return get


def _reference(record_class: RecordClass) -> Parameter:
    return Parameter(kind=record_class.name, name=_SELF)


def _text(name: str) -> Parameter:
    return Parameter(kind="string", name=name)


def setter_calls(record_class: RecordClass, field: str, set_field: SetField) -> Iterator[Call]:
    """Give set_<field>, and add_to_/remove_from_ for a map or add_/remove_ for a set."""
    name, kind = record_class.name, record_class.fields[field]

    put = _bounded(set_field, field)

    def set_all(context: Context, ref: str, value: object) -> None:
        put(context, ref, lambda _: value)

    def add_to(context: Context, ref: str, key: str, value: str) -> None:
        def change(known: Mapping[str, str]) -> dict[str, str]:
            if key in known:
                raise XapiFailure("MAP_DUPLICATE_KEY", name, field, ref, key)
            return {**known, key: value}

        put(context, ref, change)

    def remove_from(context: Context, ref: str, key: str) -> None:
        put(context, ref, lambda known: {k: v for k, v in known.items() if k != key})

    def add(context: Context, ref: str, value: str) -> None:
        put(context, ref, lambda known: sorted({*known, value}))

    def remove(context: Context, ref: str, value: str) -> None:
        put(context, ref, lambda known: [item for item in known if item != value])

    rows: list[tuple[str, tuple[Parameter, ...], Callable[..., None]]] = [
        (f"set_{field}", (Parameter(kind=kind, name="value"),), set_all)
    ]
    if kind == "map":
        rows += [
            (f"add_to_{field}", (_text("key"), _text("value")), add_to),
            (f"remove_from_{field}", (_text("key"),), remove_from),
        ]
    elif kind == "set":
        rows += [
            (f"add_{field}", (_text("value"),), add),
            (f"remove_{field}", (_text("value"),), remove),
        ]
    for method, parameters, handler in rows:
        yield Call(
            name=f"{name}.{method}",
            parameters=(_reference(record_class), *parameters),
            handler=handler,
            needs_libvirt=record_class.needs_libvirt,
        )


def _bounded(set_field: SetField, field: str) -> Callable[[Context, str, Change], None]:
    """Set a field where what it would be is not too large."""

    def put(context: Context, ref: str, change: Change) -> None:
        def bounded(known: Any) -> object:
            value = change(known)
            check_size(field, value, context.services.limits.note_bytes)
            return value

        set_field(context, ref, field, bounded)

    return put


def _set_note(class_name: str) -> SetField:
    def set_note(context: Context, ref: str, field: str, change: Change) -> None:
        def checked(known: Any) -> Any:
            value = change(known)
            if field == _LABEL:
                check_label(field, str(value))
            return value

        context.services.notes.change(class_name, ref, field, checked)

    return set_note
