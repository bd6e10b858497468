from __future__ import annotations

import pytest

from wattline_collector.access import NOBODY, STAFF, Role, Viewer
from wattline_dashboards import app
from wattline_dashboards.access import shown

OPERATOR = Viewer("olga", roles=frozenset({Role.OPERATOR}))


@pytest.mark.parametrize(
    ("output", "parts"),
    [
        ("fleet-map.figure", {"fleet"}),
        ("..fleet-map.figure...production-days.figure..", {"fleet", "production"}),
        ("fleet-map.figure@3f2a", {"fleet"}),
        ('{"index":"a\\.b","type":"fleet-cell"}.children', {"fleet"}),
        ("_pages_content.children", {"_pages"}),
        ('{"index":1}.children', {""}),
        ("{broken.children", {""}),
        ("0f" * 32, {""}),
        (None, set()),
    ],
)
def test_a_callback_belongs_to_the_pages_it_fills(output: object, parts: set[str]) -> None:
    assert shown.parts_of(output) == parts


def test_a_callback_that_fills_two_pages_needs_both() -> None:
    owner_of_jobs = Viewer("anna", roles=frozenset({Role.JOB_OWNER}))
    assert shown.may_call(OPERATOR, "..fleet-map.figure...shell-pages.children..")
    assert not shown.may_call(owner_of_jobs, "..shell-pages.children...fleet-map.figure..")
    assert not shown.may_call(OPERATOR, "..fleet-map.figure...unheard-of.children..")


def test_every_page_stands_in_the_table() -> None:
    assert {app.name_of(page) for page in app.PAGES} == set(shown.PAGES)


def test_a_page_that_is_in_no_table_is_staffs() -> None:
    assert not shown.may_see_page(OPERATOR, "unheard-of")
    assert not shown.may_see_page(NOBODY, "fleet")
    assert shown.may_see_page(STAFF, "unheard-of")
