"""`reelkeep limits`: an organization's limits on the word of whoever runs the machine."""

from tests.service.cli.conftest import CommandLine

NAME = "Limited clinic"


def test_limits_are_set_shown_and_taken_back(used: CommandLine) -> None:
    shown = used.ok("limits", "show", "--json").json
    assert shown["limits"] == []
    assert shown["usage"]["quota_bytes"] is None

    made = used.ok("limits", "set", "--quota", "500GB", "--size", "2GB", "--json").json
    assert (made["in_force"]["quota_bytes"], made["in_force"]["size_bytes_max"]) == (500 * 10**9, 2 * 10**9)
    used.ok(
        "limits", "set", "--type", "lecture", "--duration", "14400", "--content-types", "audio/mp4,video/*"
    )
    told = used.ok("limits", "show").out
    assert "of 500.0 GB" in told
    assert "lecture" in told
    assert "14400 s" in told
    assert "audio/mp4, video/*" in told

    kept = used.ok("limits", "set", "--quota", "default", "--json").json
    assert kept["in_force"]["quota_bytes"] is None
    assert kept["in_force"]["size_bytes_max"] == 2 * 10**9, "what is not named stays"
    used.ok("limits", "set", "--size", "default")
    back = used.ok(
        "limits", "set", "--type", "lecture", "--duration", "default", "--content-types", "default", "--json"
    )
    assert back.json["limits"] == []


def test_what_cannot_be_a_limit_is_refused_and_nothing_is_set(used: CommandLine) -> None:
    for wrong in (
        ("--quota", "much"),
        ("--duration", "0"),
        ("--uploads-open", "-1"),
        ("--type", "lecture", "--quota", "1GB"),
        ("--content-types", "audio"),
        ("--duration", "999999999"),
        (),
    ):
        ran = used("limits", "set", *wrong, "--json")
        assert (ran.code, ran.json["error_code"]) == (2, "INVALID_REQUEST"), wrong
    assert used.ok("limits", "show", "--json").json["limits"] == []
    nobody = used("limits", "show", "--organization", NAME, "--json")
    assert (nobody.code, nobody.json["error_code"]) == (3, "NOT_FOUND")
