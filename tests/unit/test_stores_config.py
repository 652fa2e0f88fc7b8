"""The file of stores: what it may say, what is filled in, and how a refusal reads."""

from pathlib import Path

import pytest

from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.settings import Settings, load_settings, variable_of
from reelkeep.settings_aliases import ALIASES, CHAIN, KEY_PAIRS, STORAGE_TYPE, STORAGE_TYPES
from reelkeep.stores_config import LocalSpec, S3Spec, StoresConfig, configured_stores

R2 = """
[stores.r2]
kind = "s3"
service = "r2"
bucket = "backup"
endpoint_url = "https://account.r2.cloudflarestorage.com"
"""


@pytest.fixture(autouse=True)
def bare_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and nothing of ours or of others in the environment."""
    groups = [
        *ALIASES.values(),
        *KEY_PAIRS,
        CHAIN,
        [STORAGE_TYPE],
        [size for _, size in STORAGE_TYPES.values()],
    ]
    others = [name for group in groups for name in group]
    for name in [*map(variable_of, Settings.model_fields), "REELKEEP_ENV_FILE", *others]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stores(text: str | None = None, **flags: object) -> StoresConfig:
    if text is not None:
        Path("stores.toml").write_text(text)
        flags["stores_file"] = "stores.toml"
    return configured_stores(load_settings(**flags))


def refusal(text: str | None = None, **flags: object) -> dict[str, str]:
    with pytest.raises(ReelkeepError) as caught:
        stores(text, **flags)
    assert caught.value.code == ErrorCode.SETTINGS_INVALID
    assert "hush" not in str(caught.value)
    problems: dict[str, str] = caught.value.details["settings"]
    return problems


def s3(config: StoresConfig, name: str = "s3") -> S3Spec:
    spec = config.specs[name]
    assert isinstance(spec, S3Spec)
    return spec


def test_without_a_file_there_is_one_folder(bare_folder: Path) -> None:
    config = stores()
    assert list(config.specs) == ["local"]
    local = config.specs["local"]
    assert isinstance(local, LocalSpec)
    assert (local.path, local.shared) == (bare_folder / "data" / "stores" / "local", False)
    assert (config.primary_name, config.fallback_name) == ("local", None)


def test_a_bucket_in_the_settings_is_the_store_s3() -> None:
    config = stores(s3_bucket="sound", s3_region="eu-central-1", s3_prefix="kept")
    assert list(config.specs) == ["local", "s3"]
    spec = s3(config)
    assert (spec.service, spec.region, spec.prefix, spec.encryption) == (
        "aws",
        "eu-central-1",
        "kept/",
        "AES256",
    )
    assert (spec.path_style, spec.shared, config.primary_name) == (False, True, "local")


def test_a_file_adds_any_number_of_stores_and_says_which_is_first() -> None:
    config = stores(
        'primary = "r2"\nfallback = "disk2"\n'
        + R2
        + '[stores.disk2]\nkind = "local"\npath = "/mnt/disk2"\nshared = true\n'
    )
    assert list(config.specs) == ["local", "r2", "disk2"]
    assert (config.primary_name, config.fallback_name) == ("r2", "disk2")
    assert config.specs["disk2"].shared


def test_the_settings_win_over_the_file() -> None:
    text = 'primary = "r2"\nfallback = "local"\n' + R2 + '[stores.b]\nkind = "local"\npath = "b"\n'
    config = stores(text, store="local", fallback_store="b")
    assert (config.primary_name, config.fallback_name) == ("local", "b")


def test_what_a_known_service_cannot_do_is_filled_in_and_may_be_said_anew() -> None:
    spec = s3(stores(R2), "r2")
    assert (spec.region, spec.post_policy, spec.path_style, spec.encryption) == ("auto", False, True, "none")
    spec = s3(stores(R2 + 'post_policy = true\nregion = "weur"\nencryption = "AES256"'), "r2")
    assert (spec.region, spec.post_policy, spec.encryption) == ("weur", True, "AES256")


def test_amazon_is_meant_where_no_address_is_given() -> None:
    spec = s3(stores('[stores.a]\nkind = "s3"\nbucket = "b"\nregion = "eu-north-1"'), "a")
    assert (spec.service, spec.path_style, spec.encryption) == ("aws", False, "AES256")
    assert "GLACIER_IR" in spec.storage_classes
    assert "GLACIER_IR" not in spec.cold_classes


def test_a_secret_comes_from_the_file_the_environment_or_a_file_of_its_own(
    bare_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare_folder / "old-secret").write_text("hush3\n")
    monkeypatch.setenv("R2_SECRET", "hush2")
    spec = s3(
        stores(
            R2 + 'access_key_id = "new"\nsecret_access_key = "${R2_SECRET}"\n'
            'previous_access_key_id = "old"\nprevious_secret_access_key_file = "old-secret"\n'
        ),
        "r2",
    )
    assert spec.credentials is not None
    assert spec.previous_credentials is not None
    assert (spec.credentials[0], spec.credentials[1].get_secret_value()) == ("new", "hush2")
    assert (spec.previous_credentials[0], spec.previous_credentials[1].get_secret_value()) == ("old", "hush3")
    assert "hush" not in repr(spec)


def test_every_wrong_thing_in_the_file_is_told_at_once_with_its_place() -> None:
    problems = refusal(
        'colour = "red"\n[stores.A]\nkind = "local"\n[stores.b]\nkind = "ftp"\n'
        '[stores.c]\nkind = "s3"\nbucket = "c"\nendpoint_url = "s3.example.org"\n'
        '[stores.d]\nkind = "s3"\nbucket = "d"\nbuckets = 1\naccess_key_id = "key"\n'
        '[stores.e]\nkind = "s3"\nbucket = "${NOT_SET}"\n'
        '[stores.f]\nkind = "s3"\nbucket = "f"\nservice = "wasabi"\nregion = "x"\n'
        '[stores.g]\nkind = "s3"\nbucket = "g"\nsecret_access_key = "hush"\n'
    )
    assert {
        "colour",
        "stores.A",
        "stores.b.kind",
        "stores.c.endpoint_url",
        "stores.d.buckets",
        "stores.e.bucket",
        "stores.f",
        "stores.g",
    } == set(problems)
    assert "NOT_SET" in problems["stores.e.bucket"]
    assert "endpoint_url is needed" in problems["stores.f"]


def test_a_name_that_is_not_configured_is_told_with_those_that_are() -> None:
    assert "known: local, r2" in refusal('primary = "r3"\n' + R2)["primary (REELKEEP_STORE)"]
    assert "known: local" in refusal(fallback_store="disk9")["REELKEEP_FALLBACK_STORE"]
    assert "primary store itself" in refusal(fallback_store="local")["REELKEEP_FALLBACK_STORE"]
    assert "without REELKEEP_STORES_FILE" in refusal(store="disk9")["--store"]


def test_a_file_that_is_missing_or_no_toml_is_told(bare_folder: Path) -> None:
    assert "No such file" in refusal(stores_file="nowhere.toml")["REELKEEP_STORES_FILE"]
    assert "not TOML" in refusal("[stores.")["REELKEEP_STORES_FILE"]


def test_one_store_described_twice_is_refused() -> None:
    text = '[stores.s3]\nkind = "s3"\nbucket = "other"\nregion = "eu-west-1"\n'
    assert "REELKEEP_S3_BUCKET" in refusal(text, s3_bucket="sound")["stores.s3"]
    assert s3(stores(text)).bucket == "other"


def test_a_kms_key_and_credentials_are_whole_or_refused() -> None:
    head = '[stores.a]\nkind = "s3"\nbucket = "a"\n'
    assert "aws:kms" in refusal(head + 'kms_key_id = "alias/x"')["stores.a"]
    assert (
        "access_key_id or profile"
        in refusal(head + 'profile = "p"\naccess_key_id = "k"\nsecret_access_key = "hush"')["stores.a"]
    )
    assert (
        "takes its place"
        in refusal(head + 'previous_access_key_id = "k"\nprevious_secret_access_key = "hush"')["stores.a"]
    )


# Names of others


def test_a_bucket_with_aws_credentials_in_the_environment_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_BUCKET_NAME", "aperta-audio")
    assert stores().primary_name == "local"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    assert stores().primary_name == "local"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    config = stores()
    assert (config.primary_name, s3(config).bucket) == ("s3", "aperta-audio")
    assert s3(config).credentials is None, "the chain reads the environment itself, session tokens too"


def test_credentials_in_the_env_file_are_found_too(bare_folder: Path) -> None:
    (bare_folder / ".env").write_text(
        "AWS_ACCESS_KEY_ID=key\nAWS_SECRET_ACCESS_KEY=hush\nS3_BUCKET_NAME=aperta-audio\nS3_REGION=us-west-2\n"
    )
    config = stores()
    assert (config.primary_name, s3(config).region) == ("s3", "us-west-2")
    assert s3(config).credentials is not None


def test_the_storage_names_are_understood(bare_folder: Path) -> None:
    (bare_folder / ".env").write_text(
        "STORAGE_TYPE=S3  # or LOCAL\nSTORAGE_S3_BUCKET=my-leap-bucket\nSTORAGE_S3_PREFIX=storage\n"
        "STORAGE_S3_REGION=eu-west-3\nSTORAGE_S3_ACCESS_KEY_ID=key\nSTORAGE_S3_SECRET_ACCESS_KEY=hush\n"
        "STORAGE_S3_ENDPOINT_URL=\nSTORAGE_S3_MAX_SIZE_GB=100\n"
    )
    settings = load_settings()
    config = configured_stores(settings)
    spec = s3(config)
    assert (config.primary_name, spec.bucket, spec.prefix, spec.region) == (
        "s3",
        "my-leap-bucket",
        "storage/",
        "eu-west-3",
    )
    assert spec.credentials is not None
    assert (spec.credentials[0], settings.quota_bytes) == ("key", 100 * 10**9)


def test_the_storage_type_wins_over_a_bucket_and_our_own_names_win_over_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("S3_BUCKET_NAME", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "sound")
    monkeypatch.setenv("STORAGE_TYPE", "local")
    config = stores()
    assert config.primary_name == "local"
    assert "s3" in config.specs, "what lies there can be read still"
    monkeypatch.setenv("REELKEEP_STORE", "s3")
    monkeypatch.setenv("REELKEEP_S3_BUCKET", "other")
    config = stores()
    assert (config.primary_name, s3(config).bucket) == ("s3", "other")


def test_an_unknown_storage_type_is_refused_and_the_known_ones_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_TYPE", "FTP")
    problem = refusal()["STORAGE_TYPE"]
    assert "'FTP'" in problem
    assert "LOCAL and S3" in problem


@pytest.mark.parametrize("name", ["AWS_REGION", "S3_REGION", "S3_BUCKET_REGION", "AWS_DEFAULT_REGION"])
def test_each_name_of_the_region_is_understood(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "ap-south-1")
    assert load_settings().s3_region == "ap-south-1"


def test_the_other_names_are_understood(monkeypatch: pytest.MonkeyPatch, bare_folder: Path) -> None:
    monkeypatch.setenv("S3_ENDPOINT_URL", "https://s3.wasabisys.com")
    monkeypatch.setenv("S3_RECORDINGS_PREFIX", "recordings/")
    monkeypatch.setenv("S3_PRESIGNED_URL_EXPIRATION", "1800")
    monkeypatch.setenv("STORAGE_LOCAL_PATH", "kept")
    settings = load_settings(s3_bucket="b")
    assert (settings.upload_expires_in_seconds, settings.download_expires_in_seconds) == (1800, 1800)
    config = configured_stores(settings)
    assert (s3(config).endpoint_url, s3(config).prefix) == ("https://s3.wasabisys.com", "recordings/")
    local = config.specs["local"]
    assert isinstance(local, LocalSpec)
    assert local.path == bare_folder / "kept"


def test_a_wrong_value_is_told_under_the_name_that_it_came_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_PRESIGNED_URL_EXPIRATION", "soon")
    monkeypatch.setenv("STORAGE_S3_ENDPOINT_URL", "s3.example.org")
    assert set(refusal()) == {"S3_PRESIGNED_URL_EXPIRATION", "STORAGE_S3_ENDPOINT_URL"}
