"""Alerts for operators: rules as data, judged every 15 seconds over what is live.

expression, parse    what a rule can compute
series               and of what
book_days            days of the books, added up
guards, grants       figures of them that rules look at: shares and budgets, and how grants are used
from_books           reads what these need from a store
xids                 which XID is how bad, by its maker's catalogue
rule, read           a rule, and the files rules stand in
window, evaluate     the samples of the last while, and the value of an expression over them
machine              pending, firing, resolved: pure
watch, kept          one turn of it all, and what survives a restart
notify               Alertmanager, webhook, e-mail
promql, exported     the same rules for a Prometheus
"""
