"""The settings with a comment on each, as a start: `wattline dashboards --access-template`."""

TEMPLATE = """\
# How people sign in to the pages: wattline dashboards --access THIS_FILE
# Secrets stand in files that not everybody can read, or in the environment; never here.

[site]
# Where browsers reach the pages. https, by a proxy that ends TLS; http only on this machine.
url = "https://kpi.example.eu"
idle_minutes = 60      # signed out after so long without a click; pages that tick are no click
longest_hours = 12     # and after so long whatever was done: roles are read again at sign-in
everyone = []          # roles of whoever has an account: ["job owner"] shows people their own jobs
# audit_log = "/var/log/wattline/access.jsonl"   # who came, went, and looked at whose job

# Roles: operator, support, manager, project lead, job owner. Without one there is nothing to see.

# One or both of [oidc] and [token.*], or [proxy] alone.

[oidc]
name = "MyAccessID"                           # on the button
issuer = "https://proxy.example.org"          # exactly as it calls itself
client_id = "wattline"
client_secret_file = "/etc/wattline/oidc-secret"   # or client_secret_env = "WATTLINE_OIDC_SECRET"
scopes = ["profile"]                          # beside openid
# The claim that says under which account somebody's jobs run. Whoever can write it can be anybody:
# take one that the provider vouches for, not one that people fill in themselves.
account_claim = "voperson_id"
shown_claim = "name"                          # what pages call them
leeway_seconds = 60                           # how far the provider's clock may be off
userinfo = true                               # ask there too; some tell groups nowhere else

# Where that claim is no account name: the account of each value. Who is not here has none.
# [accounts]
# "8f3a2c@myaccessid.org" = "anna"

# A role for whoever has a value in a claim. Names after `grant.` are yours.
# [grant.operators]
# claim = "eduperson_entitlement"
# value = "urn:example:group:wattline:operators"
# role = "operator"

# [grant.leads]                               # {project} stands for the project they lead
# claim = "eduperson_entitlement"
# value = "urn:example:project:{project}:lead"
# role = "project lead"

# A proxy in front that signs people in. It must drop these headers where browsers send them.
# [proxy]
# secret_file = "/etc/wattline/proxy-secret"  # or secret_env
# secret_header = "X-Wattline-Proxy-Secret"
# account_header = "X-Remote-User"
# groups_header = "X-Remote-Groups"           # by commas; the claim `groups` of grants

# Tokens for small sites, and for screens on walls: wattline dashboards --new-token makes one.
# [token.wall]
# sha256 = "..."
# roles = ["manager"]
# expires = 2027-12-31

# [token.anna]
# sha256 = "..."
# account = "anna"
# roles = ["project lead"]
# projects = ["p-climate"]
"""
