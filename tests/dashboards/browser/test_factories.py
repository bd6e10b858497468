"""A manager looks at the bundles that other factories sent, in a real browser over a collector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the collector was told that bundles lie."""
    return tmp_path_factory.mktemp("received") / "bundles"


@pytest.fixture(scope="module")
def site(programs: Any, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Pages over a collector with an empty store."""
    return programs.site(tmp_path_factory.mktemp("site") / "store", "--bundles", str(folder))


def test_bundles_appear_as_they_come_and_what_is_wrong_is_refused(
    site: Any, folder: Path, page: Any, network_kit: Any, tmp_path: Path
) -> None:
    page.goto(f"{site.url}/factories")
    page.wait_for_selector(".factories-empty")
    assert "wattline bundle export" in page.locator(".factories-empty").inner_text()
    assert str(folder) not in page.locator("body").inner_text()

    folder.mkdir()
    network_kit.write(folder, network_kit.three())
    network_kit.ring_of(folder)
    page.wait_for_selector("#factories-use .scatterlayer .point")
    assert "3 factories side by side" in page.locator("#factories-answer").inner_text()
    assert page.locator("#factories-empty").inner_text() == ""
    assert "jaif says 1 joint project" in page.locator("#factories-exchanges").inner_text()

    broken = folder / "lumi-aif_1.aifb.zip"
    broken.write_bytes(broken.read_bytes()[:-1])
    page.wait_for_selector("#factories-refused td[data-field=why]")
    assert "lumi-aif_1.aifb.zip" in page.locator("#factories-refused").inner_text()
    page.wait_for_function(
        "document.querySelector('#factories-answer').innerText.startsWith('2 factories')"
    )
    page.locator("#factories-use-finding").hover()
    with page.expect_download() as started:
        page.locator("#factories-use-csv").click()
    started.value.save_as(tmp_path / "use.csv")
    text = (tmp_path / "use.csv").read_text()
    assert "all together" in text and "lumi-aif" not in text
