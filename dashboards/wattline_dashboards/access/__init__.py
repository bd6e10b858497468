"""Who looks at the pages: sign-in, sessions, and the door that every request passes.

settings   the file that says how people sign in
people     claims become a person: an account, roles, projects
oidc       sign-in by OpenID Connect
proxy      sign-in by a proxy in front
tokens     sign-in by a local token
sessions   who is signed in
shown      which sight each page, callback and route needs
gate       the door
viewing    who looks at what is being answered
forms      the few pages that are not Dash's
headers    what every answer tells a browser
audit      who came, went, was refused, and looked at whose job
looks      what must be written there before somebody else's job is shown

What somebody may see is decided in one place, `wattline_collector.access`, here as in the API.
"""
