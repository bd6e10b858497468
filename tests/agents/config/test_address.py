import pytest

from wattline_agents.config.address import complaint, secret_complaint


@pytest.mark.parametrize(
    "text",
    [
        "http://user:pw@host", "http://user@host:8600", "user:pw@host", "ftp://user:pw@host",
        "http://user:pw@host:99999", "http://user:p/w@host",
    ],
)  # fmt: skip
def test_a_user_or_password_in_an_address_is_refused_and_not_shown(text: str) -> None:
    told = complaint(text, "headers_file")
    assert told == "no user or password in an address: use headers_file"


def test_what_only_may_be_a_password_is_not_shown_either() -> None:
    told = complaint("http://user:p?w@host")
    assert told is not None
    assert "w@host" not in told


def test_an_address_may_have_that_sign_in_its_query() -> None:
    assert complaint("http://host:8600/x?a=b@c") is None


def test_a_source_is_told_which_file_a_login_belongs_in() -> None:
    assert secret_complaint("redfish", "https://10.0.0.1") is None
    assert str(secret_complaint("redfish", "https://u:p@h")).endswith("use login_file")
    assert str(secret_complaint("dcgm", "http://u:p@h")).endswith("use token_file")
