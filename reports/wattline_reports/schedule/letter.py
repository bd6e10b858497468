"""A letter with a report: what it is, how to check it, and its files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from wattline_reports.made_file import Made

MOST_BYTES = 15 * 1024 * 1024
"""Of files in one letter: many servers take no more than 20 MB, and a letter grows by a third."""
TYPES: Mapping[str, tuple[str, str]] = {
    "html": ("text", "html"),
    "pdf": ("application", "pdf"),
    "xlsx": ("application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "json": ("application", "json"),
}
"""The media type of each form."""


def letter(
    made: Made, files: Mapping[str, bytes], address: str, sender: str, at: datetime
) -> EmailMessage:
    """A letter to one address.

    Args:
        made: The report.
        files: Its forms that are sent.
        address: To whom.
        sender: From whom.
        at: The time, UTC.
    """
    total = sum(map(len, files.values()))
    fits = total <= MOST_BYTES
    about = _plain(" ".join([made.title, *made.key.of, made.key.period]))
    found = EmailMessage()
    found["Subject"] = f"[wattline] {about}"[:160]
    found["From"], found["To"] = sender, address
    found["Date"] = format_datetime(at)
    found["Message-ID"] = make_msgid(domain="wattline.invalid")
    found["Auto-Submitted"] = "auto-generated"
    lines = [about, ""]
    if not made.good:
        lines += ["The books under it do NOT hold everywhere; its first page says where.", ""]
    lines += [f"{name}: {value}" for name, value in made.key.options.items()]
    lines.append(f"Verification code: {made.code}")
    names = [one for one in made.files if one.form in files]
    if fits:
        lines.append("Attached, with SHA-256:")
    else:
        lines.append("Too large to be attached; on the store's shelf, with SHA-256:")
        lines.append(f"  {made.id}/")
    lines += [f"  {one.name}  {one.sha256}" for one in names]
    found.set_content("\n".join(lines) + "\n")
    if fits:
        for one in names:
            main, sub = TYPES[one.form]
            found.add_attachment(files[one.form], maintype=main, subtype=sub, filename=one.name)
    return found


def _plain(text: str) -> str:
    """A name from outside in one line of a header."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
