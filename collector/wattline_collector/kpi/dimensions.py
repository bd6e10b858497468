"""What figures can be split by, put beside the entries only when somebody asks for it."""

from __future__ import annotations

from collections.abc import Sequence

from wattline_collector.kpi.view import View


def with_dimensions(view: View, by: Sequence[str]) -> View:
    """The same view, its frames with a column for each dimension that they can be split by.

    A frame gets a column where its rows have one answer: entries of devices have all of `PLACE`,
    what has a job has all of `WORK`, what has a time has all of `TIME`.

    Args:
        view: The view.
        by: Any of `declare.DIMENSIONS`.
    """
    return view
