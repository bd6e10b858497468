"""The words registers use, so that what two sites write can be added up."""

from __future__ import annotations

from collections.abc import Mapping

ACCESS_MODES = (
    "playground",
    "fast_lane",
    "large_scale",
    "ai_for_science",
    "extreme_scale",
    "regular",
    "development",
    "benchmark",
    "ai_data_intensive",
    "fast_track_academia",
    "fast_track_industry",
    "strategic",
    "emergency",
    "commercial",
    "national",
    "own_use",
    "other",
)
"""How time is given away: the AI Factories' three industrial modes and AI for Science, the EuroHPC
calls, and what the regulation knows beside calls."""

ACCESS_MODE_SYNONYMS: Mapping[str, str] = {
    "ai_factory_playground": "playground",
    "aif_playground": "playground",
    "ai_factory_fast_lane": "fast_lane",
    "aif_fast_lane": "fast_lane",
    "ai_factory_large_scale": "large_scale",
    "aif_large_scale": "large_scale",
    "ai_for_science_and_collaborative_eu_projects": "ai_for_science",
    "extreme": "extreme_scale",
    "dev": "development",
    "bench": "benchmark",
    "benchmarking": "benchmark",
    "ai_and_data_intensive": "ai_data_intensive",
    "directors_share": "own_use",
    "director_s_discretion": "own_use",
}

LIFE_CYCLE = ("data", "pretrain", "finetune", "eval", "inference", "other")
"""Parts of a model's life that device time is spent on."""

LIFE_CYCLE_SYNONYMS: Mapping[str, str] = {
    "data_preparation": "data",
    "pre_training": "pretrain",
    "pretraining": "pretrain",
    "fine_tuning": "finetune",
    "finetuning": "finetune",
    "evaluation": "eval",
    "serving": "inference",
}

USER_CATEGORIES = (
    "start_up",
    "sme",
    "scale_up",
    "large_industry",
    "academia",
    "public_sector",
    "other",
)
USER_CATEGORY_SYNONYMS: Mapping[str, str] = {
    "startup": "start_up",
    "scaleup": "scale_up",
    "industry": "large_industry",
    "large_company": "large_industry",
    "research": "academia",
    "university": "academia",
    "public": "public_sector",
    "public_administration": "public_sector",
}

SECTORS = (
    "agriculture",
    "mining",
    "manufacturing",
    "energy",
    "water_and_waste",
    "construction",
    "trade",
    "transport",
    "hospitality",
    "media",
    "information_technology",
    "finance",
    "real_estate",
    "science_and_engineering",
    "administrative_services",
    "public_administration",
    "education",
    "health",
    "arts_and_sport",
    "other_services",
    "households",
    "international",
)
"""Sections A to V of NACE, revision 2.1, in their order. Words and not letters, because the letters
from J on meant other sections in revision 2, and nobody writes down which revision they used."""

FIELDS = (
    "natural_sciences",
    "engineering",
    "medical_sciences",
    "agricultural_sciences",
    "social_sciences",
    "humanities",
)
"""The six major fields of research and development of the OECD."""

SHARES = ("union", "national", "consortium", "commercial", "own")
"""Out of whose part of the machine's time a grant comes."""

STATES = tuple(
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR "
    "BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ "
    "EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW "
    "GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY "
    "KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV "
    "MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY "
    "QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG "
    "TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM "
    "ZW".split()
)
"""ISO 3166-1, two letters."""
STATE_SYNONYMS: Mapping[str, str] = {"EL": "GR", "UK": "GB"}
"""What the European Union writes for two of them."""
