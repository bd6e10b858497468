"""Regular expressions that are compiled when they are first used.

To compile one takes as long as to import a module. Most of those that the agent knows wait for
something that happens rarely or never on a node: a job's record, a pod, a file of another tool.
"""

from __future__ import annotations

__all__ = ["pattern"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from re import compile as pattern
else:
    import re

    class _Pattern:
        """Stands for a compiled expression, and has its methods from the first use on."""

        def __init__(self, text, flags):
            self._told = text, flags

        def __getattr__(self, name):
            if name.startswith("__"):  # what copies or shows it asks for these
                raise AttributeError(name)
            compiled = re.compile(*self._told)
            found = getattr(compiled, name)
            # The next use finds it in place, at no more cost than a compiled expression's.
            setattr(self, name, found)
            return found

    def pattern(text, flags=0):
        """What `re.compile` gives, made when it is first asked for anything.

        Args:
            text: The expression.
            flags: As for `re.compile`.
        """
        return _Pattern(text, flags)
