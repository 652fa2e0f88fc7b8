"""`reelkeep policies`: an organization's policies on the word of whoever runs the machine."""

from tests.service.cli.conftest import CommandLine


def test_policies_are_shown_and_set(used: CommandLine) -> None:
    assert used.ok("policies", "show", "--json").json == {"shared_computers": False}
    assert used.ok("policies", "set", "--shared-computers", "--json").json == {"shared_computers": True}
    assert "browsers encrypt" in used.ok("policies", "show").out
    assert used.ok("policies", "set", "--no-shared-computers", "--json").json == {"shared_computers": False}


def test_a_policy_has_to_be_named_and_the_organization_known(used: CommandLine) -> None:
    ran = used("policies", "set", "--json")
    assert (ran.code, ran.json["error_code"]) == (2, "INVALID_REQUEST")
    nobody = used("policies", "show", "--organization", "Nobody's", "--json")
    assert (nobody.code, nobody.json["error_code"]) == (3, "NOT_FOUND")
