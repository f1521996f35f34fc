"""Blob storage as the unmodified azure-storage-blob client sees it."""

from __future__ import annotations

import io
import os
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import TYPE_CHECKING

import pytest
import requests
from azure.core import MatchConditions
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.identity import DefaultAzureCredential
from azure.storage.blob import (
    BlobClient,
    BlobServiceClient,
    ContainerClient,
    ContentSettings,
    generate_blob_sas,
    generate_container_sas,
)

from mlflow_azureml_backend.emulator.identity import Issuer
from mlflow_azureml_backend.emulator.resources import WorkspaceKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mlflow_azureml_backend.emulator.endpoint import Endpoint

MIB = 1 << 20


@pytest.fixture
def account(workspace) -> str:
    return WorkspaceKey(
        subscription_id=workspace.subscription_id,
        resource_group=workspace.resource_group,
        name=workspace.workspace_name,
    ).storage_account


@pytest.fixture
def account_key(account: str, workspace, signed_in: Endpoint) -> str:
    answer = requests.post(
        f"https://management.azure.com{workspace.arm_id}/datastores/workspaceblobstore/listSecrets"
        "?api-version=2024-04-01",
        headers=bearer("https://management.azure.com/.default"),
        timeout=10,
    )
    return answer.json()["key"]


@pytest.fixture
def service(account: str, account_key: str) -> Iterator[BlobServiceClient]:
    with BlobServiceClient(
        f"https://{account}.blob.core.windows.net",
        credential=account_key,
        max_single_put_size=MIB,
        max_block_size=MIB,
        max_single_get_size=MIB,
        max_chunk_get_size=MIB,
        retry_total=0,
    ) as client:
        yield client


@pytest.fixture
def container(service: BlobServiceClient) -> ContainerClient:
    return service.create_container("files")


@pytest.fixture
def sas(account: str, account_key: str) -> Callable[..., str]:
    def signed(permission: str, blob: str | None = None, hours: float = 1) -> str:
        expiry = datetime.now(timezone.utc) + timedelta(hours=hours)
        if blob is None:
            query = generate_container_sas(
                account, "files", account_key=account_key, permission=permission, expiry=expiry
            )
        else:
            query = generate_blob_sas(
                account,
                "files",
                blob,
                account_key=account_key,
                permission=permission,
                expiry=expiry,
            )
        return f"https://{account}.blob.core.windows.net/files?{query}"

    return signed


def blob_at(container_url: str, name: str) -> BlobClient:
    return ContainerClient.from_container_url(container_url, retry_total=0).get_blob_client(name)


def test_a_blob_comes_back_as_it_was_uploaded(container: ContainerClient) -> None:
    blob = container.get_blob_client("folder/a b ü &<>?#%.txt")
    blob.upload_blob(
        b"content",
        metadata={"upload_status": "completed"},
        content_settings=ContentSettings(content_type="text/plain", cache_control="no-cache"),
    )
    properties = blob.get_blob_properties()
    assert blob.download_blob().readall() == b"content"
    assert properties.name == "folder/a b ü &<>?#%.txt"
    assert properties.size == 7
    assert properties.metadata == {"upload_status": "completed"}
    assert properties.content_settings.content_type == "text/plain"
    assert properties.content_settings.cache_control == "no-cache"
    assert properties.creation_time is not None
    assert properties.blob_type == "BlockBlob"


def test_a_blob_is_not_overwritten_unless_that_is_asked_for(container: ContainerClient) -> None:
    blob = container.get_blob_client("once")
    blob.upload_blob(b"first")
    with pytest.raises(ResourceExistsError) as refused:
        blob.upload_blob(b"second")
    assert refused.value.error_code == "BlobAlreadyExists"
    blob.upload_blob(b"third", overwrite=True)
    assert blob.download_blob().readall() == b"third"


def test_a_large_blob_is_uploaded_in_blocks_and_downloaded_in_ranges(
    container: ContainerClient,
) -> None:
    content = os.urandom(3 * MIB + 17)
    blob = container.get_blob_client("large")
    blob.upload_blob(io.BytesIO(content), max_concurrency=3)
    assert blob.download_blob(max_concurrency=3).readall() == content
    assert blob.download_blob(offset=MIB - 5, length=10).readall() == content[MIB - 5 : MIB + 5]
    assert blob.download_blob(offset=3 * MIB).readall() == content[3 * MIB :]


def test_a_block_list_with_an_unknown_block_changes_nothing(container: ContainerClient) -> None:
    blob = container.get_blob_client("blocks")
    blob.stage_block("one", b"1")
    with pytest.raises(HttpResponseError) as refused:
        blob.commit_block_list(["one", "two"])
    assert refused.value.error_code == "InvalidBlockList"
    assert not blob.exists()


def test_an_append_blob_grows_block_by_block(container: ContainerClient) -> None:
    blob = container.get_blob_client("log")
    blob.create_append_blob()
    assert blob.append_block(b"one\n")["blob_append_offset"] == "0"
    assert blob.append_block(b"two\n", appendpos_condition=4)["blob_append_offset"] == "4"
    with pytest.raises(HttpResponseError) as refused:
        blob.append_block(b"three\n", appendpos_condition=4)
    assert refused.value.error_code == "AppendPositionConditionNotMet"
    assert blob.download_blob().readall() == b"one\ntwo\n"


def test_a_block_cannot_be_appended_to_a_block_blob(container: ContainerClient) -> None:
    blob = container.get_blob_client("plain")
    blob.upload_blob(b"content")
    with pytest.raises(HttpResponseError) as refused:
        blob.append_block(b"more")
    assert refused.value.error_code == "InvalidBlobType"


def test_an_empty_blob_has_no_range_but_can_be_downloaded(container: ContainerClient) -> None:
    blob = container.get_blob_client("empty")
    blob.upload_blob(b"")
    assert blob.download_blob().readall() == b""
    answer = requests.get(
        blob.url,
        headers={"x-ms-range": "bytes=0-1023", **bearer()},
        timeout=10,
    )
    assert answer.status_code == 416
    assert answer.headers["x-ms-error-code"] == "InvalidRange"
    assert answer.headers["Content-Range"] == "bytes */0"
    assert "<Code>InvalidRange</Code>" in answer.text


def test_a_list_is_sorted_paged_filtered_and_has_metadata(container: ContainerClient) -> None:
    names = ["a/1", "a/2", "b", "c/x/y", "d&<e>"]
    for name in reversed(names):
        container.upload_blob(name, b"12345", metadata={"name": "value"})
    assert [blob.name for blob in container.list_blobs(results_per_page=2)] == names
    found = list(container.list_blobs(name_starts_with="a/", include=["metadata"]))
    assert [(blob.name, blob.size, blob.metadata) for blob in found] == [
        ("a/1", 5, {"name": "value"}),
        ("a/2", 5, {"name": "value"}),
    ]
    assert found[0].creation_time is not None
    pages = container.walk_blobs(delimiter="/", results_per_page=1)
    assert [entry.name for entry in pages] == ["a/", "b", "c/", "d&<e>"]


def test_a_blob_that_was_changed_is_told_from_what_it_was(container: ContainerClient) -> None:
    blob = container.get_blob_client("changing")
    before = blob.upload_blob(b"one")["etag"]
    after = blob.upload_blob(b"two", overwrite=True)["etag"]
    assert before != after
    unchanged = {"etag": before, "match_condition": MatchConditions.IfNotModified}
    with pytest.raises(ResourceModifiedError):
        blob.download_blob(**unchanged)
    with pytest.raises(ResourceModifiedError):
        blob.set_blob_metadata({"a": "b"}, **unchanged)


def test_who_has_a_blob_already_is_told_so_without_a_body(container: ContainerClient) -> None:
    blob = container.get_blob_client("known")
    etag = blob.upload_blob(b"content")["etag"]
    known = {"If-None-Match": etag, **bearer()}
    answer = requests.get(blob.url, headers=known, timeout=10)
    assert answer.status_code == 304
    assert answer.headers["x-ms-error-code"] == "ConditionNotMet"
    assert answer.content == b""


def test_metadata_and_properties_are_replaced_apart_from_the_content(
    container: ContainerClient,
) -> None:
    blob = container.get_blob_client("described")
    blob.upload_blob(b"content", metadata={"old": "1"})
    blob.set_blob_metadata({"new": "2"})
    blob.set_http_headers(ContentSettings(content_type="image/png"))
    properties = blob.get_blob_properties()
    assert properties.metadata == {"new": "2"}
    assert properties.content_settings.content_type == "image/png"
    assert blob.download_blob().readall() == b"content"


def test_a_deleted_blob_is_gone(container: ContainerClient) -> None:
    blob = container.get_blob_client("short-lived")
    blob.upload_blob(b"content")
    blob.delete_blob()
    assert not blob.exists()
    with pytest.raises(ResourceNotFoundError) as refused:
        blob.delete_blob()
    assert refused.value.error_code == "BlobNotFound"


def test_a_blob_needs_its_container(service: BlobServiceClient) -> None:
    with pytest.raises(ResourceNotFoundError) as refused:
        service.get_blob_client("missing", "blob").upload_blob(b"content")
    assert refused.value.error_code == "ContainerNotFound"
    assert not service.get_container_client("missing").exists()


def test_a_container_is_made_once(container: ContainerClient) -> None:
    assert container.exists()
    with pytest.raises(ResourceExistsError) as refused:
        container.create_container()
    assert refused.value.error_code == "ContainerAlreadyExists"


def test_bytes_that_do_not_have_the_promised_md5_are_refused(container: ContainerClient) -> None:
    blob = container.get_blob_client("checked")
    blob.upload_blob(b"content", validate_content=True)
    assert blob.download_blob(validate_content=True).readall() == b"content"
    answer = requests.put(
        f"{blob.url}-wrong",
        data=b"content",
        headers={
            "Content-MD5": "XUFAKrxLKna5cZ2REBfFkg==",
            "x-ms-blob-type": "BlockBlob",
            **bearer(),
        },
        timeout=10,
    )
    assert answer.status_code == 400
    assert answer.headers["x-ms-error-code"] == "Md5Mismatch"
    assert not container.get_blob_client("checked-wrong").exists()


@pytest.mark.parametrize(
    ("permission", "allowed"),
    [
        ("r", {"read"}),
        ("l", {"list"}),
        ("c", {"create"}),
        ("w", {"create", "overwrite", "append"}),
        ("a", {"append"}),
        ("d", {"delete"}),
        ("racwdl", {"read", "list", "create", "overwrite", "append", "delete"}),
    ],
)
def test_a_signature_allows_what_it_says_and_nothing_else(
    container: ContainerClient,
    sas: Callable[..., str],
    permission: str,
    allowed: set[str],
) -> None:
    for name in ("there", "doomed"):
        container.upload_blob(name, b"content")
    container.get_blob_client("log").create_append_blob()
    signed = ContainerClient.from_container_url(sas(permission), retry_total=0)
    attempts: dict[str, Callable[[], object]] = {
        "read": lambda: signed.download_blob("there").readall(),
        "list": lambda: list(signed.list_blobs()),
        "create": lambda: signed.get_blob_client("new").upload_blob(b"content"),
        "overwrite": lambda: signed.upload_blob("there", b"content", overwrite=True),
        "append": lambda: signed.get_blob_client("log").append_block(b"line"),
        "delete": lambda: signed.delete_blob("doomed"),
    }
    for action, attempt in attempts.items():
        if action in allowed:
            attempt()
        else:
            with pytest.raises(HttpResponseError) as refused:
                attempt()
            assert refused.value.error_code == "AuthorizationPermissionMismatch"


def test_a_signature_for_one_blob_opens_no_other(
    container: ContainerClient, sas: Callable[..., str]
) -> None:
    container.upload_blob("mine", b"mine")
    container.upload_blob("other", b"other")
    url = sas("r", blob="mine")
    assert blob_at(url, "mine").download_blob().readall() == b"mine"
    with pytest.raises(ClientAuthenticationError):
        blob_at(url, "other").download_blob()
    with pytest.raises(HttpResponseError):
        list(ContainerClient.from_container_url(url).list_blobs())


def test_a_signature_ends(container: ContainerClient, sas: Callable[..., str]) -> None:
    container.upload_blob("late", b"content")
    with pytest.raises(ClientAuthenticationError) as refused:
        blob_at(sas("r", hours=-1), "late").download_blob()
    assert refused.value.error_code == "AuthenticationFailed"


def test_a_wrong_account_key_opens_nothing(container: ContainerClient) -> None:
    stranger = ContainerClient(
        f"https://{container.account_name}.blob.core.windows.net",
        "files",
        credential="d3Jvbmc=",
        retry_total=0,
    )
    with pytest.raises(ClientAuthenticationError):
        stranger.upload_blob("blob", b"content")


def test_a_token_for_storage_opens_it_and_one_for_another_service_does_not(
    container: ContainerClient,
) -> None:
    url = container.get_blob_client("by-token").url
    headers = {"x-ms-blob-type": "BlockBlob"}
    right = requests.put(url, data=b"1", headers={**headers, **bearer()}, timeout=10)
    wrong = requests.put(
        url,
        data=b"2",
        headers={**headers, **bearer("https://management.azure.com/.default")},
        timeout=10,
    )
    nobody = requests.get(url, timeout=10)
    assert right.status_code == 201
    assert wrong.status_code == 401
    assert wrong.headers["x-ms-error-code"] == "InvalidAuthenticationInfo"
    assert nobody.status_code == 401
    assert "resource_id=https://storage.azure.com" in nobody.headers["WWW-Authenticate"]


def test_what_is_not_emulated_says_so(container: ContainerClient) -> None:
    container.upload_blob("blob", b"content")
    with pytest.raises(HttpResponseError) as refused:
        container.get_blob_client("blob").create_snapshot()
    assert refused.value.status_code == 501
    assert "PUT" in refused.value.message
    assert "comp=snapshot" in refused.value.message


def test_a_log_that_grows_is_read_up_to_where_it_was(
    account: str, emulator_root: Path, container: ContainerClient
) -> None:
    blob = container.get_blob_client("grows")
    blob.create_append_blob()
    file = store_path(emulator_root, account, "grows")
    with file.open("ab") as log:
        log.write(b"first\n")
    before = blob.get_blob_properties().etag
    assert blob.download_blob().readall() == b"first\n"
    with file.open("ab") as log:
        log.write(b"second\n")
    assert blob.get_blob_properties().etag != before
    assert blob.download_blob(offset=6).readall() == b"second\n"
    with pytest.raises(HttpResponseError) as refused:
        blob.download_blob(offset=13)
    assert refused.value.status_code == 416


def store_path(root: Path, account: str, name: str) -> Path:
    from mlflow_azureml_backend.emulator.blob_store import BlobStore

    store = BlobStore(root / "blobs", Issuer(root / "tenant.json").derived_key)
    try:
        return store.register(account, "files", name)
    finally:
        store.close()


def bearer(scope: str = "https://storage.azure.com/.default") -> dict[str, str]:
    return {"Authorization": f"Bearer {token_for(scope)}", "x-ms-version": "2023-11-03"}


@cache
def token_for(scope: str) -> str:
    return DefaultAzureCredential().get_token(scope).token
