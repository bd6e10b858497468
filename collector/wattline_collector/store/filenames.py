"""Every name on disk, in one place: `ls` on a store shows these and nothing else.

STORE/
  format                  the version of this layout, one line
  lock                    held by the process that writes; holds its pid
  manifest.jsonl          what is sealed, one line per step; a line is a step's commit point
  log/00000001.log        batches as they came in, durable and not yet sealed
  raw/device/2026-11-01/00000001.parquet   sealed rows of one table and day, named by their log
  corrupt/                log records that failed their checksum, set aside
  refused/                a few of the batches that were refused, for the curious
  tokens/read  tokens/write                who may read, who may send
  registers/projects.parquet               what people declared; readable by the owner alone
  profile.toml            the factory's profile that holds, written by people
  profiles/20261121T101500Z.toml           each one that held, by when it was put to use
  rules.toml              the site's rules of advice and its prices, written by people
  alerts.toml             the site's rules of alerts, written by people
  alerts/state.json  alerts/history.jsonl   alerts that are on, and those that were
  reports/                made reports, a folder for each
  ledger/                 the books; made again from raw/, but for their trail and their past
"""

from __future__ import annotations

FORMAT = "format"
FORMAT_LINE = "wattline store 1\n"
"""Raised when a program of the version before could no longer read the directory rightly."""

LOCK = "lock"
MANIFEST = "manifest.jsonl"
LOG_DIR = "log"
LOG_SUFFIX = ".log"
RAW_DIR = "raw"
SEGMENT_SUFFIX = ".parquet"
UNFINISHED_SUFFIX = ".tmp"
CORRUPT_DIR = "corrupt"
REFUSED_DIR = "refused"
TOKENS_DIR = "tokens"
TOKEN_READ = "read"
TOKEN_WRITE = "write"
REGISTERS_DIR = "registers"
PROFILE = "profile.toml"
PROFILES_DIR = "profiles"
RULES = "rules.toml"
ALERT_RULES = "alerts.toml"
ALERTS_DIR = "alerts"
LEDGER_DIR = "ledger"


def log_name(log: int) -> str:
    """The file of one log, below `log/`."""
    return f"{log:08d}{LOG_SUFFIX}"


def log_number(name: str) -> int | None:
    """The log a file name stands for; None if it is no log's."""
    stem = name.removesuffix(LOG_SUFFIX)
    return int(stem) if stem != name and stem.isdecimal() else None


def segment_name(table: str, day: str, log: int, part: str = "") -> str:
    """The file of one segment, relative to the store; the same log always gives the same name."""
    return f"{RAW_DIR}/{table}/{day}/{log:08d}{part}{SEGMENT_SUFFIX}"
