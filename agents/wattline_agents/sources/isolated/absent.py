"""Devices that are there and are not read: which they are, and a line when one goes or comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping


class Absent:
    """Those of one source."""

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        """All are read.

        Args:
            tell: Takes the kind of news, and a line for a person.
        """
        self._tell = tell
        # Whether somebody was told, or is told elsewhere.
        self._down: dict[str, bool] = {}
        self._unlisted: list[str] = []
        self._news: list[tuple[str, str]] = []

    def names(self) -> list[str]:
        """All of them: by what is known of those that have no row, else by their own name."""
        return [*self._unlisted, *self._down]

    def is_down(self, device: str) -> bool:
        """Whether its newest row says so."""
        return device in self._down

    def went(self, device: str, *, is_news: bool) -> None:
        """A device does not answer; it is no news where someone else says why."""
        if is_news and not self._down.get(device, False):
            self._news.append(("down", device))
        self._down[device] = is_news or self._down.get(device, False)

    def came(self, device: str) -> None:
        """A device answers."""
        if self._down.pop(device, False):
            self._news.append(("up", device))

    def forget(self, device: str) -> None:
        """A device is no longer there."""
        self._down.pop(device, None)

    def list_others(self, names: Iterable[str]) -> None:
        """Name all that are there and have no row at all."""
        now = list(names)
        if now == self._unlisted:
            return
        before, self._unlisted = self._unlisted, now
        self._news += [("unread", name) for name in now if name not in before]
        self._news += [("found", name) for name in before if name not in now]

    def tell(self, places: Mapping[str, str]) -> None:
        """Say what is new.

        Args:
            places: Where a device is, for people, by its name.
        """
        if not self._news:
            return
        for kind, name in self._news:
            self._tell(f"{kind} {name}", _line(kind, name, places.get(name, "")))
        self._news.clear()


def _line(kind: str, name: str, place: str) -> str:
    if kind == "unread":
        return f"device {name} is there and cannot be read: it has no row"
    if kind == "found":
        return f"device {name} is read now, or gone"
    who = f"{name} ({place})" if place else name
    if kind == "up":
        return f"{who} answers again"
    return f"{who} does not answer: it is lost or unplugged, or its driver is not loaded"
