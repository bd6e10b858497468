"""The file of a schedule, explained, to begin with."""

TEMPLATE = """\
# Reports at their times. `wattline report schedule run --config THIS --store DIR` makes and sends
# what is due, and ends; deploy/systemd has a timer that starts it every day. What was made is on
# the store's shelf (STORE/reports), so nothing is made or sent twice, and what was missed while
# the machine was off is made up for. Paths are relative to this file.

# How letters are sent; needed where an entry has `mail`.
[mail]
host = "mail.example.eu"
port = 587                    # 465 is TLS from the first byte
starttls = true               # false: also to a server that offers no encryption
from = "wattline@example.eu"
#user = "wattline"
#password_file = "mail-password"        # mode 0600; or, in the environment:
#password_env = "WATTLINE_MAIL_PASSWORD"

# One table for each report, under any name.
[report.monthly-review]
kind = "review"               # `wattline report` lists the kinds there are
every = "month"               # month, quarter or year
wait = 5                      # days after the period's end; default: 5, 10 or 20, so that late data
                              # are in
catch_up = 3                  # periods that are made up for, at most; default: 3
formats = ["html", "pdf"]     # html, pdf, xlsx, json; default: html and pdf
options = { variant = "public" }
folder = "reviews"            # copied there; leave out: kept on the shelf alone
#mail = ["board@example.eu"]  # a letter to each, the files attached

[report.access-time]
kind = "hosting-audit"
every = "year"
wait = 16                     # due on 31 January
formats = ["pdf", "xlsx", "json"]

#[report.our-project]
#kind = "project"
#of = ["P1"]                  # what it is of, for kinds that ask for it
#every = "quarter"
"""
