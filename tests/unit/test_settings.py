"""Settings: where a value comes from, what is refused, and how the refusal reads."""

from pathlib import Path

import pytest

from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.settings import Settings, is_secret, load_settings, unknown_variables, variable_of
from reelkeep.settings_document import render_env_example, render_settings_doc


@pytest.fixture(autouse=True)
def bare_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and nothing of ours in the environment."""
    for name in [*map(variable_of, Settings.model_fields), "REELKEEP_ENV_FILE"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(**flags: object) -> ReelkeepError:
    with pytest.raises(ReelkeepError) as caught:
        load_settings(**flags)
    assert caught.value.code == ErrorCode.SETTINGS_INVALID
    return caught.value


def test_nothing_needs_to_be_set(bare_folder: Path) -> None:
    settings = load_settings()
    assert settings.data == bare_folder / "data"
    assert settings.base_url == "http://127.0.0.1:8000"
    assert settings.database_url is None
    assert settings.store == "local"


def test_a_flag_beats_the_environment_which_beats_the_file(
    bare_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare_folder / ".env").write_text(
        "REELKEEP_PORT=1001\nREELKEEP_HOST=10.0.0.1\nREELKEEP_ENGINE=pocketsphinx\n"
    )
    monkeypatch.setenv("REELKEEP_PORT", "1002")
    monkeypatch.setenv("REELKEEP_HOST", "10.0.0.2")
    settings = load_settings(port=1003)
    assert (settings.port, settings.host, settings.engine) == (1003, "10.0.0.2", "pocketsphinx")


def test_a_flag_that_was_not_given_leaves_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELKEEP_PORT", "1002")
    assert load_settings(port=None).port == 1002


def test_the_file_may_hold_comments_and_empty_values(bare_folder: Path) -> None:
    (bare_folder / ".env").write_text(
        "# a comment\n\nREELKEEP_PORT=\nDATABASE_URL=\nREELKEEP_HOST=0.0.0.0  # listen everywhere\n"
        "AWS_PROFILE=not-ours\n"
    )
    settings = load_settings()
    assert (settings.port, settings.database_url, settings.host) == (8000, None, "0.0.0.0")


def test_an_empty_variable_in_the_environment_means_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELKEEP_PUBLIC_URL", "")
    assert load_settings().public_url is None


def test_another_file_can_be_named_and_must_be_there(
    bare_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REELKEEP_ENV_FILE", str(bare_folder / "production.env"))
    assert "production.env" in refusal().message
    (bare_folder / "production.env").write_text("REELKEEP_PORT=9001\n")
    assert load_settings().port == 9001


def test_every_wrong_value_is_told_at_once_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELKEEP_PORT", "80000")
    monkeypatch.setenv("REELKEEP_UPLOAD_SIZE_BYTES_MAX", "6TiB")
    error = refusal(store="ftp")
    assert set(error.details["settings"]) == {"REELKEEP_PORT", "REELKEEP_UPLOAD_SIZE_BYTES_MAX", "--store"}
    assert "REELKEEP_PORT: input should be less than or equal to 65535 (it is '80000')" in error.message
    assert "docs/settings.md" in error.message


@pytest.mark.parametrize(
    ("variable", "value"),
    [("DATABASE_URL", "mysql://root:hunter2@db/x"), ("REELKEEP_SECRET_KEY", "hunter2")],
)
def test_a_refused_secret_is_shown_nowhere(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    error = refusal()
    assert variable in error.message
    assert "hunter2" not in f"{error} {error.details} {error.__cause__}"
    assert error.__suppress_context__


def test_secrets_do_not_show_in_the_settings_printed() -> None:
    settings = load_settings(database_url="postgresql://u:hunter2@h/d", secret_key="hunter2" * 8)
    assert "hunter2" not in f"{settings!r} {settings}"
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://u:hunter2@h/d"


def test_every_field_that_may_hold_a_secret_is_one() -> None:
    secretish = {
        n
        for n in Settings.model_fields
        if any(w in n for w in ("secret", "password", "database_url", "encryption_keys"))
    }
    assert {name for name in Settings.model_fields if is_secret(name)} == secretish


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        ({"store": "s3"}, ["REELKEEP_S3_BUCKET"]),
        ({"s3_access_key_id": "AK"}, ["REELKEEP_S3_ACCESS_KEY_ID, REELKEEP_S3_SECRET_ACCESS_KEY"]),
        ({"worker_stalled_seconds": 15}, ["REELKEEP_WORKER_STALLED_SECONDS"]),
        ({"worker_shutdown_seconds": 30}, ["REELKEEP_WORKER_SHUTDOWN_SECONDS"]),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(flags: dict[str, object], names: list[str]) -> None:
    assert list(refusal(**flags).details["settings"]) == names


@pytest.mark.parametrize(
    "url",
    [
        "recordings.example.org",
        "ftp://example.org",
        "https://example.org/path",
        "https://example.org/?a=1",
        "https://user:pass@example.org",
        "https://example.org:port",
    ],
)
def test_a_public_url_is_a_scheme_a_host_and_a_port(url: str) -> None:
    assert list(refusal(public_url=url).details["settings"]) == ["--public-url"]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"public_url": "https://r.example.org/"}, "https://r.example.org"),
        ({"host": "0.0.0.0", "port": 9000}, "http://127.0.0.1:9000"),
        ({"host": "::1"}, "http://[::1]:8000"),
        ({"host": "192.168.1.5"}, "http://192.168.1.5:8000"),
    ],
)
def test_links_are_made_for_the_address_that_clients_see(flags: dict[str, object], expected: str) -> None:
    assert load_settings(**flags).base_url == expected


@pytest.mark.parametrize(
    ("text", "size"), [("1000", 1000), ("500MB", 500_000_000), ("2 GiB", 2 * 1024**3), (12345, 12345)]
)
def test_sizes_may_have_a_unit(text: object, size: int) -> None:
    assert load_settings(upload_size_bytes_max=text).upload_size_bytes_max == size


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELKEEP_TRUSTED_PROXIES", "10.0.0.0/8, ::1 ,")
    monkeypatch.setenv("REELKEEP_UPLOAD_CONTENT_TYPES", "Audio/*,video/mp4")
    settings = load_settings()
    assert settings.trusted_proxies == ["10.0.0.0/8", "::1"]
    assert settings.upload_content_types == ["audio/*", "video/mp4"]


@pytest.mark.parametrize("text", ["beam_size=1, prompt=a=b ,", '{"beam_size": "1", "prompt": "a=b"}'])
def test_options_are_pairs_or_a_json_object(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELKEEP_ENGINE_EXTRA", text)
    assert load_settings().engine_extra == {"beam_size": "1", "prompt": "a=b"}


@pytest.mark.parametrize("text", ["beam_size", "=1", "{not json", '{"a": [1]}'])
def test_options_of_another_form_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELKEEP_ENGINE_EXTRA", text)
    assert list(refusal().details["settings"]) == ["REELKEEP_ENGINE_EXTRA"]


def test_encryption_and_path_style_follow_the_endpoint_unless_set() -> None:
    aws = load_settings(store="s3", s3_bucket="b")
    other = load_settings(store="s3", s3_bucket="b", s3_endpoint_url="http://127.0.0.1:7480/")
    forced = load_settings(store="s3", s3_bucket="b", s3_encrypt=False, s3_path_style=True)
    assert (aws.s3_asks_encryption, aws.s3_uses_path_style) == (True, False)
    assert (other.s3_asks_encryption, other.s3_uses_path_style) == (False, True)
    assert (forced.s3_asks_encryption, forced.s3_uses_path_style) == (False, True)


def test_a_prefix_ends_with_one_slash() -> None:
    assert [load_settings(s3_prefix=p).s3_prefix for p in ("", "/", "a", "/a/b/")] == ["", "", "a/", "a/b/"]


def test_a_misspelt_variable_is_found(bare_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELKEEP_PROT", "9000")
    monkeypatch.setenv("REELKEEP_TEST_AUDIO", "/somewhere")
    (bare_folder / ".env").write_text("REELKEEP_HOSTS=x\nREELKEEP_HOST=localhost\n")
    assert unknown_variables() == ["REELKEEP_HOSTS", "REELKEEP_PROT"]


def test_a_file_that_is_not_text_is_refused_by_name(bare_folder: Path) -> None:
    (bare_folder / ".env").write_bytes(b"REELKEEP_PORT=\xff\xfe\n")
    assert ".env" in refusal().message


def test_the_example_file_changes_nothing_when_copied(bare_folder: Path) -> None:
    before = load_settings()
    (bare_folder / ".env").write_text(render_env_example())
    assert load_settings() == before


def test_every_line_of_the_example_file_is_a_setting_with_its_default(bare_folder: Path) -> None:
    before = load_settings()
    lines = [line.removeprefix("#") for line in render_env_example().splitlines() if line.startswith("#")]
    chosen = [line for line in lines if "=" in line and not line.startswith(" ")]
    assert len(chosen) == len(Settings.model_fields)
    (bare_folder / ".env").write_text("\n".join(chosen))
    assert load_settings() == before
    assert unknown_variables() == []


def test_every_setting_has_a_description_and_stands_in_the_document() -> None:
    document = render_settings_doc()
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
        assert f"| `{variable_of(name)}` |" in document
