"""`reelkeep users` and `reelkeep tokens`: on the word of whoever runs the machine."""

import httpx

from tests.service.cli.conftest import CommandLine

PASSWORD = "a long enough passphrase"


def call(used: CommandLine, token: str) -> httpx.Response:
    """A request to the running server with a token."""
    base_url = used.environment["REELKEEP_PUBLIC_URL"]
    return httpx.get(f"{base_url}/api/v1/recordings/", headers={"Authorization": f"Bearer {token}"})


def test_a_user_with_a_password_signs_in(used: CommandLine) -> None:
    added = used.ok(
        "users",
        "add",
        "Boss@example.org",
        "--role",
        "admin",
        "--password-stdin",
        "--json",
        stdin=f"{PASSWORD}\n",
    ).json
    assert (added["email"], added["role"], added["password_set"]) == ("Boss@example.org", "admin", True)
    base_url = used.environment["REELKEEP_PUBLIC_URL"]
    signed_in = httpx.post(
        f"{base_url}/api/v1/auth/login", json={"email": "boss@example.org", "password": PASSWORD}
    )
    assert signed_in.status_code == 200, signed_in.text


def test_without_a_password_the_link_alone_is_on_standard_output(used: CommandLine) -> None:
    ran = used.ok("users", "add", "new@example.org", "--role", "member", "--name", "Nia")
    base_url = used.environment["REELKEEP_PUBLIC_URL"]
    assert ran.out.startswith(f"{base_url}/set-password?token=")
    token = ran.out.strip().partition("token=")[2]
    newer = used.ok("users", "set-password", "new@example.org", "--json").json["link"]
    assert token not in newer
    listed = used.ok("users", "list").out
    assert "no password yet" in next(line for line in listed.splitlines() if "new@example.org" in line)


def test_wrong_people_are_refused_and_nothing_is_made(used: CommandLine) -> None:
    weak = used(
        "users", "add", "weak@example.org", "--role", "viewer", "--password-stdin", "--json", stdin="short\n"
    )
    assert (weak.code, weak.json["error_code"]) == (1, "PASSWORD_TOO_WEAK")
    role = used("users", "add", "weak@example.org", "--role", "emperor", "--json")
    assert (role.code, role.json["error_code"]) == (2, "INVALID_REQUEST")
    assert "weak@example.org" not in used.ok("users", "list").out
    used.ok("users", "add", "twice@example.org", "--role", "viewer")
    twice = used("users", "add", "TWICE@example.org", "--role", "viewer", "--json")
    assert (twice.code, twice.json["error_code"]) == (1, "EMAIL_TAKEN")
    assert used("users", "set-password", "nobody@example.org", "--json").code == 3


def test_a_token_works_until_it_is_revoked_and_is_shown_once(used: CommandLine) -> None:
    used.ok("users", "add", "app@example.org", "--role", "member")
    made = used.ok(
        "tokens", "create", "--user", "app@example.org", "--name", "phone", "--days", "3", "--json"
    ).json
    assert call(used, made["token"]).status_code == 200
    listed = used.ok("tokens", "list")
    assert made["id"] in listed.out
    assert made["token"] not in listed.out + used.ok("tokens", "list", "--json").out
    assert used.ok("tokens", "revoke", made["id"], "--json").json["revoked"] is True
    assert call(used, made["token"]).status_code == 401
    assert "revoked" in used.ok("tokens", "list").out


def test_for_a_script_standard_output_is_the_token_alone(used: CommandLine) -> None:
    used.ok("users", "add", "script@example.org", "--role", "viewer")
    ran = used.ok("tokens", "create", "--user", "script@example.org")
    assert len(ran.out.split()) == 1
    assert call(used, ran.out.strip()).status_code == 200
    assert used("tokens", "create", "--user", "nobody@example.org").code == 3
