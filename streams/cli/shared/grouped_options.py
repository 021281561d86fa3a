"""Options that several commands have, written down once: the fields of a NamedTuple that the commands take whole."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any


def grouped(**groups: type[tuple[Any, ...]]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Of a command with a parameter of each of these names, what typer reads: in its place the fields of the NamedTuple."""
    fields = {name: inspect.signature(group, eval_str=True).parameters for name, group in groups.items()}

    def of(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters.values()
        flat = [one for each in own for one in (fields[each.name].values() if each.name in fields else [each])]
        parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in flat]

        @wraps(command)
        def with_groups(**given: Any) -> None:
            made = {name: group(**{field: given.pop(field) for field in fields[name]}) for name, group in groups.items()}
            command(**given, **made)

        with_groups.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        with_groups.__annotations__ = {one.name: one.annotation for one in parameters}
        return with_groups

    return of
