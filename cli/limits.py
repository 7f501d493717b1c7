"""Limits of a daemon as options of its command."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from virtcim.daemon.limits import Limit, LimitError, limits_of

__all__ = ["with_limits"]


def with_limits(command: Callable[..., None], limits: type[Any]) -> Callable[..., None]:
    """Give a command an option ``--limit-...`` for each field of a dataclass of limits.

    The command is given the values as ``limits``, the last of its parameters.
    """
    declared = limits_of(limits)
    hints = get_type_hints(command, include_extras=True)
    own = [
        one.replace(annotation=hints[one.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for one in inspect.signature(command).parameters.values()
        if one.name != "limits"
    ]

    def run(**given: Any) -> None:
        values = {one.field: given.pop(one.parameter) for one in declared}
        try:
            made = limits(**values)
        except LimitError as exc:
            raise typer.BadParameter(str(exc)) from exc
        command(**given, limits=made)

    signature = inspect.Signature([*own, *map(_parameter, declared)])
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in signature.parameters.values()}
    run.__doc__ = command.__doc__
    return run


def _parameter(limit: Limit) -> inspect.Parameter:
    option = typer.Option(min=limit.least, max=limit.most, help=limit.what)
    return inspect.Parameter(
        limit.parameter,
        inspect.Parameter.KEYWORD_ONLY,
        default=limit.default,
        annotation=Annotated[type(limit.default), option],
    )
