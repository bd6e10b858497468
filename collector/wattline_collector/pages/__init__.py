"""What the pages ask: one module for each page, and here the list of all there is to ask."""

from __future__ import annotations

from wattline_collector.pages import (
    access_time,
    alerts,
    device,
    energy,
    factories,
    figure,
    fleet,
    job,
    like_jobs,
    my_jobs,
    my_project,
    node,
    now,
    production,
    quality,
    reliability,
    reports,
    site,
)
from wattline_collector.pages.read import Read

READS: tuple[Read, ...] = (
    *site.READS,
    *now.READS,
    *alerts.READS,
    *quality.READS,
    *fleet.READS,
    *node.READS,
    *device.READS,
    *figure.READS,
    *production.READS,
    *energy.READS,
    *access_time.READS,
    *reliability.READS,
    *my_jobs.READS,
    *job.READS,
    *like_jobs.READS,
    *my_project.READS,
    *reports.READS,
    *factories.READS,
)
"""Every question of a page. The API makes its routes of these, through its one check."""
