"""What a source may know of the agent that reads it.

A module of its own, and no dataclass: processes that read a driver load it, and there each
mebibyte counts.
"""

from __future__ import annotations

from wattline_agents.errors import UsageError

TYPE_CHECKING = False  # neither `typing` nor `collections` is needed to run
if TYPE_CHECKING:
    from collections.abc import Mapping


class SourceConfig:
    """What a source is told when it is made; never changed afterwards.

    Attributes:
        system: The system the node belongs to.
        node: The node's name.
        rack: Where it stands, if told.
        period_seconds: How often the agent ticks.
        options: Settings of this source alone, as text (`--source NAME:KEY=VALUE,...`).
    """

    __slots__ = ("node", "options", "period_seconds", "rack", "system")

    def __init__(
        self,
        system: str,
        node: str,
        rack: str | None = None,
        period_seconds: float = 1.0,
        options: Mapping[str, str] | None = None,
    ) -> None:
        """Take what is known; see the class for what each is."""
        self.system, self.node, self.rack = system, node, rack
        self.period_seconds = period_seconds
        self.options: Mapping[str, str] = {} if options is None else options

    def check_options(self, source: str, known: tuple[str, ...]) -> None:
        """Refuse options the source does not have.

        Raises:
            UsageError: Names the first unknown option, and the nearest known one or all.
        """
        for option in self.options:
            if option not in known:
                # Only a mistake pays for the search.
                from wattline_agents.nearest import instead

                raise UsageError(f"source {source}: no option {option!r}; {instead(option, known)}")

    def number(self, source: str, option: str, default: float, least: float, most: float) -> float:
        """The option as a number, or the default where it is not given.

        Raises:
            UsageError: It is not a number from `least` to `most`.
        """
        text = self.options.get(option)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise UsageError(
                f"source {source}: option {option}: not a number from {least:g} to {most:g}: "
                f"{text[:40]!r}"
            )
        return value
