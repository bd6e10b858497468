"""What the source `serving` can be told, read from text."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from wattline_agents.assignment.records.own import PLACE
from wattline_agents.errors import UsageError
from wattline_agents.sources.serving.goodput import Targets
from wattline_agents.sources.serving.pods import Pods
from wattline_agents.sources.serving.told import Place, told
from wattline_agents.sources.settings import SourceConfig

NAME = "serving"
EVERY_SECONDS = 5.0
_MOST_SECONDS = 3_600.0
_OF_PAGE = ("url", "job", "role", "framework")
_KNOWN = (
    *_OF_PAGE, "pages", "token_file", "every", "discover", "kubernetes", "kubernetes_node",
    "first_token_target", "per_token_target", "records",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """What it was told.

    Attributes:
        pages: Where engines are.
        discover: Whether to read engines that are found.
        pods: Finds engines of this node's pods, if wanted.
        targets: What a request must keep to be good.
        every_seconds: How far apart readings should be.
        records: Where prologs write down which job is here.
    """

    pages: tuple[Place, ...] = ()
    discover: bool = True
    pods: Pods | None = None
    targets: Targets = field(default_factory=Targets)
    every_seconds: float = EVERY_SECONDS
    records: str = PLACE


def read(config: SourceConfig) -> Options:
    """The options of a source.

    Raises:
        UsageError: One is not what it should be.
    """
    config.check_options(NAME, _KNOWN)
    options = config.options
    targets = [
        config.number(NAME, name, 0.0, 0.0, _MOST_SECONDS)
        for name in ("first_token_target", "per_token_target")
    ]
    return Options(
        pages=_pages(options),
        discover=_switch(options, "discover", default=True),
        pods=_pods(options, config.node),
        targets=Targets(targets[0] or None, targets[1] or None),
        every_seconds=config.number(NAME, "every", EVERY_SECONDS, 1.0, _MOST_SECONDS),
        records=options.get("records", PLACE),
    )


def _pages(options: Mapping[str, str]) -> tuple[Place, ...]:
    pages: list[object] = []
    if "pages" in options:
        try:
            listed = json.loads(options["pages"])
        except ValueError as error:
            raise UsageError(f"source {NAME}: option pages: not a list as JSON") from error
        pages += listed if isinstance(listed, list) else [listed]
    one = {key: options[key] for key in _OF_PAGE if key in options}
    if "url" in one:
        pages.append(one)
    elif one:
        raise UsageError(f"source {NAME}: option {next(iter(one))}: without `url`")
    places = []
    for page in pages:
        if isinstance(page, str):
            page = {"url": page}
        if isinstance(page, dict) and "token_file" in options:
            page = {"token_file": options["token_file"], **page}
        try:
            places.append(told(page))
        except UsageError as error:
            raise UsageError(f"source {NAME}: option {error}") from error
    return tuple(places)


def _switch(options: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = options.get(name)
    if text is None:
        return default
    if text not in ("true", "false"):
        raise UsageError(f"source {NAME}: option {name}: not true or false: {text[:40]!r}")
    return text == "true"


def _pods(options: Mapping[str, str], node: str) -> Pods | None:
    if not _switch(options, "kubernetes", default=False):
        return None
    host = os.environ.get("KUBERNETES_SERVICE_HOST")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise UsageError(
            f"source {NAME}: option kubernetes: this is no pod (no KUBERNETES_SERVICE_HOST)"
        )
    shown = f"[{host}]" if ":" in host else host
    name = options.get("kubernetes_node") or os.environ.get("NODE_NAME") or node
    return Pods(f"https://{shown}:{port}", name)
