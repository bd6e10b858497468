"""What of `typing` an agent needs while it runs, without loading `typing`.

To load `typing` and make its classes was a tenth of what an agent does up to its first reading. For
type checkers these are the library's; while the agent runs a protocol is a class of names to look
for, and a named tuple one of `collections`.
"""

from __future__ import annotations

__all__ = ["NamedTuple", "Protocol", "runtime_checkable"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple, Protocol, runtime_checkable
else:
    from collections import namedtuple

    class _ProtocolType(type):
        """Finds out whether something has what a protocol names."""

        def __instancecheck__(cls, instance):
            names = cls.__dict__.get("_names_to_have")
            if names is None:
                return type.__instancecheck__(cls, instance)
            return all([hasattr(instance, name) for name in names])

    class Protocol(metaclass=_ProtocolType):
        """As `typing.Protocol`; `isinstance` asks those alone that are `runtime_checkable`."""

        __slots__ = ()

    def runtime_checkable(protocol):
        """As `typing.runtime_checkable`."""
        parts = [one for one in protocol.__mro__ if one not in (Protocol, object)]
        named = {name for one in parts for name in (*vars(one), *vars(one).get(_NOTES, ()))}
        protocol._names_to_have = frozenset(name for name in named if not name.startswith("_"))
        return protocol

    class _TupleType(type):
        """Makes a named tuple of a class that names its fields."""

        def __new__(cls, name, bases, told):
            if not bases:
                return type.__new__(cls, name, bases, told)
            fields = told.get(_NOTES, {})
            defaults = [told[field] for field in fields if field in told]
            made = namedtuple(name, fields, defaults=defaults, module=told["__module__"])
            for key, value in told.items():
                if key not in fields:
                    setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_TupleType):
        """As `typing.NamedTuple`, as the base of a class."""

    _NOTES = "__annotations__"
