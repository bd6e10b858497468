from __future__ import annotations

from dataclasses import replace
from typing import Any

from wattline_reports.exchange import dcat


def test_what_a_catalogue_must_have_is_there(made: Any) -> None:
    told = dcat.dataset(made.manifest, publisher="Example Centre", public=True)
    for name in ("dct:title", "dct:description", "dct:publisher", "dcat:distribution"):
        assert told[name]
    assert told["dct:accessRights"]["@id"].endswith("/PUBLIC")
    assert told["dct:spatial"]["@id"].endswith("/ITA")
    assert told["dct:conformsTo"]["@id"] == f"urn:sha256:{made.manifest.dictionary}"


def test_every_file_stands_with_its_digest(made: Any) -> None:
    told = dcat.dataset(made.manifest, publisher=None, public=False)
    found = {
        one["dct:title"]: one["spdx:checksum"]["spdx:checksumValue"]
        for one in told["dcat:distribution"]
    }
    assert found == {name: digest for name, (digest, _) in made.manifest.files.items()}
    assert told["dct:publisher"]["foaf:name"] == made.manifest.factory
    assert told["dct:accessRights"]["@id"].endswith("/RESTRICTED")


def test_a_country_without_a_name_there_is_left_out(made: Any) -> None:
    told = dcat.dataset(replace(made.manifest, country="BR"), publisher=None, public=True)
    assert "dct:spatial" not in told
