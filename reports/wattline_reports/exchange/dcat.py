"""The bundle as a dataset of a catalogue: DCAT-AP in JSON-LD."""

from __future__ import annotations

from typing import Any

from wattline_reports.exchange.manifest import Manifest

_CONTEXT = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "spdx": "http://spdx.org/rdf/terms#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_ACCESS = "http://publications.europa.eu/resource/authority/access-right/"
_COUNTRY = "http://publications.europa.eu/resource/authority/country/"
_THEME = "http://publications.europa.eu/resource/authority/data-theme/"
_THEMES = ("ENER", "TECH", "GOVE")
_ALPHA_3 = {
    "AT": "AUT", "BE": "BEL", "BG": "BGR", "CY": "CYP", "CZ": "CZE", "DE": "DEU", "DK": "DNK",
    "EE": "EST", "ES": "ESP", "FI": "FIN", "FR": "FRA", "GB": "GBR", "GR": "GRC", "HR": "HRV",
    "HU": "HUN", "IE": "IRL", "IS": "ISL", "IT": "ITA", "LT": "LTU", "LU": "LUX", "LV": "LVA",
    "MD": "MDA", "ME": "MNE", "MK": "MKD", "MT": "MLT", "NL": "NLD", "NO": "NOR", "PL": "POL",
    "PT": "PRT", "RO": "ROU", "RS": "SRB", "SE": "SWE", "SI": "SVN", "SK": "SVK", "TR": "TUR",
    "CH": "CHE", "AL": "ALB",
}  # fmt: skip
"""How the European Publications Office names countries; those of EuroHPC and their neighbours."""


def dataset(told: Manifest, *, publisher: str | None, public: bool) -> dict[str, Any]:
    """The description of a bundle.

    Args:
        told: The manifest, as far as it is known before this description is a file of it.
        publisher: Who publishes it; the factory's id where nobody is named.
        public: Whether anybody may have it, or only the Joint Undertaking.
    """
    ends = told.period.to_json()
    country = _ALPHA_3.get(told.country)
    found: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "dcat:Dataset",
        "dct:identifier": f"{told.factory}/{told.kind}/{ends['from']}/{ends['to']}/{told.revision}",
        "dct:title": {
            "@language": "en",
            "@value": f"{told.kind.replace('-', ' ')} of {told.factory}",
        },
        "dct:description": {
            "@language": "en",
            "@value": "Aggregated telemetry and production figures of an AI factory, without data "
            "of persons, jobs or nodes. Ratios come with the sums they are made of.",
        },
        "dct:publisher": {"@type": "foaf:Agent", "foaf:name": publisher or told.factory},
        "dct:temporal": {
            "@type": "dct:PeriodOfTime",
            "dcat:startDate": {"@type": "xsd:dateTime", "@value": ends["from"]},
            "dcat:endDate": {"@type": "xsd:dateTime", "@value": ends["to"]},
        },
        "dct:accessRights": {"@id": _ACCESS + ("PUBLIC" if public else "RESTRICTED")},
        "dct:conformsTo": {"@id": f"urn:sha256:{told.dictionary}"},
        "dcat:theme": [{"@id": _THEME + theme} for theme in _THEMES],
        "dcat:keyword": ["AI factory", "EuroHPC", "energy", "GPU"],
        "dcat:distribution": [
            {
                "@type": "dcat:Distribution",
                "dct:title": name,
                "dcat:byteSize": size,
                "spdx:checksum": {
                    "@type": "spdx:Checksum",
                    "spdx:algorithm": {"@id": "spdx:checksumAlgorithm_sha256"},
                    "spdx:checksumValue": sha256,
                },
            }
            for name, (sha256, size) in sorted(told.files.items())
        ],
    }
    if country is not None:
        found["dct:spatial"] = {"@id": _COUNTRY + country}
    return found
