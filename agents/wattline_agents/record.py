"""Dataclasses that are made in half the time, frozen ones above all.

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
    from dataclasses import MISSING, FrozenInstanceError, dataclass, fields
    from operator import attrgetter

    def record(*, frozen, slots=False):
        """`dataclass(frozen=..., slots=...)`.

        Args:
            frozen: Whether its instances keep the values they were made with, and have a hash.
            slots: Whether its instances have places for the fields alone.
        """

        def made(cls):
            cls = dataclass(init=False, slots=slots, repr=False, eq=False)(cls)
            cls.__dataclass_params__.init = True
            cls.__dataclass_params__.frozen = frozen
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

            cls.__init__ = _init(cls)
            cls.__repr__, cls.__eq__ = shown, same
            if not frozen:
                cls.__hash__ = None
                return cls
            cls.__hash__ = lambda self: hash(values(self))
            cls.__setattr__, cls.__delattr__ = _refuse_to_set, _refuse_to_delete
            cls.__getstate__, cls.__setstate__ = _state, _set_state
            return cls

        return made

    def _init(cls):
        """What sets the fields of a new instance: the one method that needs a source."""
        told, body, known = ["self"], [], {"set": object.__setattr__}
        for field in fields(cls):
            name = field.name
            value = name
            if field.default is not MISSING:
                known[f"_{name}"] = field.default
                told.append(f"{name}=_{name}")
            elif field.default_factory is not MISSING:
                known[f"_{name}"], known["unset"] = field.default_factory, MISSING
                told.append(f"{name}=unset")
                value = f"_{name}() if {name} is unset else {name}"
            else:
                told.append(name)
            body.append(f"set(self, {name!r}, {value})")
        if hasattr(cls, "__post_init__"):
            body.append("self.__post_init__()")
        source = f"def __init__({', '.join(told)}):\n " + "\n ".join(body or ["pass"])
        exec(source, known)
        made = known["__init__"]
        made.__qualname__ = f"{cls.__qualname__}.__init__"
        return made

    def _refuse_to_set(self, name, value):
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _refuse_to_delete(self, name):
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _state(self):
        return [getattr(self, field.name) for field in fields(self)]

    def _set_state(self, state):
        for field, value in zip(fields(self), state, strict=True):
            object.__setattr__(self, field.name, value)
