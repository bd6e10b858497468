"""Several challenges side by side, as a season is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wattline_reports.challenge.verify import Verdict
from wattline_reports.exchange.refused import Reason, Refused


def distinct(found: Iterable[tuple[Path, Verdict]]) -> None:
    """Check that no two challenges commit to the same.

    An organiser that commits twice to the same items could open the one that suits.

    Raises:
        Refused: Two do.
    """
    first: dict[str, Path] = {}
    for path, verdict in found:
        body = verdict.commit.body
        for digest in (
            body["spec"]["digest"], body["spec"]["nonce_digest"], body["items"]["root"],
        ):  # fmt: skip
            other = first.setdefault(digest, path)
            if other != path:
                words = f"commits to the same as {other}"
                raise Refused(Reason.DUPLICATE_COMMIT, words, path=path)
