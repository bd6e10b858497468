"""Keeps out of an agent's memory what the standard library loads and an agent never uses.

An agent runs for months on every node, so a mebibyte counts that a script would not notice.
`dataclasses` loads `inspect` and with it modules of the compiler (`ast`, `dis`, `tokenize`),
1.3 MiB, for the signature it writes into a class without a docstring; there is no such class here.
Reading a command line takes another mebibyte, once. And while modules are loaded, nearly all that
is made stays: to look for what does not, again and again, takes a tenth of the start.
"""

from __future__ import annotations

import gc
import sys
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _LoadedWhenUsed(ModuleType):
    """Stands for a module until something of it is asked for.

    The library's own `importlib.util.LazyLoader` loads at the first `import`, which looks for
    `__spec__`; but those who import a module and do not use it are what this is for.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import system looks for marks such as `__path__`
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        __import__(self.__name__)
        module = sys.modules[self.__name__]
        self.__dict__.update(vars(module))
        return getattr(module, name)


def settled() -> None:
    """End a start during which garbage was not collected; what is there now is not looked at again.

    Without effect where garbage is collected: nobody who does not start so has to end it.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def load_when_used(name: str) -> None:
    """Let a module be loaded when something of it is used, not before."""
    sys.modules.setdefault(name, _LoadedWhenUsed(name))


def forget(*names: str) -> None:
    """Give back the memory of modules nobody holds any more; who needs one again loads it again."""
    for name in names:
        sys.modules.pop(name, None)
    gc.collect()
