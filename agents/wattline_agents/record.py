"""Dataclasses that are made in a third of the time, frozen ones above all.

A dataclass writes the source of each of its methods and has it compiled: half a millisecond for a
class, and the agent makes thirty on its way to its first reading. How values are set, shown,
compared and hashed needs no source of its own, so the classes made here share functions for that.
In all else they are dataclasses, for `replace`, `fields` and type checkers as well; what these look
at is made when they do.
"""

from __future__ import annotations

__all__ = ["record"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:
    from dataclasses import MISSING, Field, FrozenInstanceError, dataclass
    from operator import attrgetter

    def record(*, frozen, slots=False):
        """`dataclass(frozen=..., slots=...)`, of classes that inherit no fields.

        Args:
            frozen: Whether its instances keep the values they were made with, and have a hash.
            slots: Whether its instances have places for the fields alone.
        """

        def made(cls):
            types = vars(cls).get("__annotations__", {})
            given = {name: vars(cls)[name] for name in types if name in vars(cls)}
            cls = _with_slots(cls, types) if slots else _with_defaults(cls, given)
            names = tuple(types)
            # With the class it gets a tuple where there is one field alone, too.
            values = attrgetter("__class__", *[one for one in names if _is_compared(given, one)])

            def shown(self):
                told = ", ".join([f"{name}={getattr(self, name)!r}" for name in names])
                return f"{type(self).__qualname__}({told})"

            def same(self, other):
                if other.__class__ is not self.__class__:
                    return NotImplemented
                return values(self) == values(other)

            for name in ("__dataclass_fields__", "__dataclass_params__"):
                setattr(cls, name, _Described(name, types, given, frozen))
            cls.__match_args__ = names
            cls.__init__ = _init(cls, names, given)
            cls.__repr__, cls.__eq__ = shown, same
            if not frozen:
                cls.__hash__ = None
                return cls
            cls.__hash__ = lambda self: hash(values(self))
            cls.__setattr__, cls.__delattr__ = _refuse_to_set, _refuse_to_delete
            cls.__getstate__ = lambda self: [getattr(self, name) for name in names]
            cls.__setstate__ = lambda self, state: _set(self, names, state)
            return cls

        return made

    class _Described:
        """What `fields`, `replace` and their like look at: `dataclass` makes it when they do."""

        def __init__(self, name, types, given, frozen):
            self._name, self._frozen = name, frozen
            # Without a docstring it would be given one, which takes `inspect`.
            self._told = {"__annotations__": types, "__doc__": "A record.", **given}

        def __get__(self, instance, cls):
            twin = type(cls.__name__, (), {**self._told, "__module__": cls.__module__})
            twin = dataclass(init=False, repr=False, eq=False)(twin)
            twin.__dataclass_params__.init, twin.__dataclass_params__.frozen = True, self._frozen
            cls.__dataclass_fields__ = twin.__dataclass_fields__
            cls.__dataclass_params__ = twin.__dataclass_params__
            return vars(cls)[self._name]

    def _is_compared(given, name):
        told = given.get(name)
        return not isinstance(told, Field) or told.compare

    def _with_slots(cls, types):
        """The class again, with places for its fields."""
        without = {*types, "__dict__", "__weakref__"}
        told = {name: value for name, value in vars(cls).items() if name not in without}
        made = type(cls)(cls.__name__, cls.__bases__, {**told, "__slots__": tuple(types)})
        made.__qualname__ = cls.__qualname__
        return made

    def _with_defaults(cls, given):
        """The class, with a default in the place of what tells more of a field."""
        for name, told in given.items():
            if isinstance(told, Field):
                delattr(cls, name)
                if told.default is not MISSING:
                    setattr(cls, name, told.default)
        return cls

    def _init(cls, names, given):
        """What sets the fields of a new instance."""
        count, defaults, factories = len(names), {}, {}
        for name, told in given.items():
            default = told.default if isinstance(told, Field) else told
            if default is MISSING:
                if told.default_factory is not MISSING:
                    factories[name] = told.default_factory
            elif default.__class__.__hash__ is None:
                raise ValueError(f"{cls.__qualname__}.{name}: all would share what may change")
            else:
                defaults[name] = default
        is_checked = hasattr(cls, "__post_init__")

        def rest(values, named):
            """All values, in order."""
            values = [*values]
            for name in names[len(values) :]:
                if name in named:
                    values.append(named.pop(name))
                elif name in defaults:
                    values.append(defaults[name])
                elif name in factories:
                    values.append(factories[name]())
                else:
                    raise TypeError(f"{cls.__qualname__}() needs {name!r}")
            if named:
                raise TypeError(f"{cls.__qualname__}() takes no {next(iter(named))!r}, or has it")
            if len(values) > count:
                raise TypeError(f"{cls.__qualname__}() takes {count} values, not {len(values)}")
            return values

        def init(self, *values, **named):
            if named or len(values) != count:
                values = rest(values, named)
            _set(self, names, values)
            if is_checked:
                self.__post_init__()

        init.__name__, init.__qualname__ = "__init__", f"{cls.__qualname__}.__init__"
        return init

    def _set(self, names, values, put=object.__setattr__):
        for name, value in zip(names, values, strict=True):
            put(self, name, value)

    def _refuse_to_set(self, name, value):
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _refuse_to_delete(self, name):
        raise FrozenInstanceError(f"cannot delete field {name!r}")
