"""What the pages ask: one module for each page, and here the list of all there is to ask."""

from __future__ import annotations

from wattline_collector.pages import figure, site
from wattline_collector.pages.read import Read

READS: tuple[Read, ...] = (
    *site.READS,
    *figure.READS,
)
"""Every question of a page. The API makes its routes of these, through its one check."""
