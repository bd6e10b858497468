"""Frozen dataclasses that are made in half the time.

A dataclass writes the source of each of its methods and has it compiled: half a millisecond for a
class, and the agent makes thirty on its way to its first reading. How values are shown, compared
and hashed needs no source of its own, so the classes made here share functions for that. In all
else they are dataclasses, for `replace`, `fields` and type checkers as well.
"""

from __future__ import annotations

__all__ = ["record"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:
    from dataclasses import dataclass, fields
    from operator import attrgetter

    def record(*, frozen, slots=False):
        """`dataclass(frozen=True, slots=...)`.

        Args:
            frozen: True: what may change has no hash, and is better made as a plain dataclass.
            slots: Whether its instances have places for the fields alone.
        """
        if not frozen:
            raise TypeError("a record is frozen")

        def made(cls):
            cls = dataclass(frozen=True, slots=slots, repr=False, eq=False)(cls)
            names = [field.name for field in fields(cls)]
            # With the class it gets a tuple where there is one field alone, too.
            values = attrgetter("__class__", *[one.name for one in fields(cls) if one.compare])

            def shown(self):
                told = ", ".join([f"{name}={getattr(self, name)!r}" for name in names])
                return f"{type(self).__qualname__}({told})"

            def same(self, other):
                if other.__class__ is not self.__class__:
                    return NotImplemented
                return values(self) == values(other)

            cls.__repr__, cls.__eq__ = shown, same
            cls.__hash__ = lambda self: hash(values(self))
            return cls

        return made
