"""Signatures of blob storage: the ones the SDK makes are the ones that are checked."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qsl

import pytest
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.rest import HttpRequest
from azure.storage.blob import generate_blob_sas, generate_container_sas
from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy
from hypothesis import assume, given
from hypothesis import strategies as st

from mlflow_azureml_backend.emulator.errors import BlobError
from mlflow_azureml_backend.emulator.sas import (
    SharedAccess,
    shared_key_signature,
    verified_access,
)

KEY = base64.b64encode(bytes(range(64))).decode()
OTHER_KEY = base64.b64encode(bytes(64)).decode()
SOON = datetime.now(timezone.utc) + timedelta(hours=1)

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
containers = st.from_regex(r"[a-z0-9]{3,20}", fullmatch=True)


@given(container=containers, name=names)
def test_what_the_sdk_signs_for_a_blob_is_accepted_for_it_alone(container: str, name: str) -> None:
    token = generate_blob_sas(
        "account", container, name, account_key=KEY, permission="rw", expiry=SOON
    )
    query = dict(parse_qsl(token))
    assert verified_access(query, "account", container, name, KEY).permissions == "rw"
    for account, place, blob, key in (
        ("another", container, name, KEY),
        ("account", f"{container}x", name, KEY),
        ("account", container, f"{name}x", KEY),
        ("account", container, "", KEY),
        ("account", container, name, OTHER_KEY),
    ):
        with pytest.raises(BlobError):
            verified_access(query, account, place, blob, key)


@given(container=containers, name=names)
def test_what_the_sdk_signs_for_a_container_is_accepted_for_all_its_blobs(
    container: str, name: str
) -> None:
    token = generate_container_sas(
        "account",
        container,
        account_key=KEY,
        permission="rl",
        start=datetime.now(timezone.utc) - timedelta(hours=1),
        expiry=SOON,
    )
    query = dict(parse_qsl(token))
    assert verified_access(query, "account", container, name, KEY).permissions == "rl"
    assert verified_access(query, "account", container, "", KEY).resource == "c"
    with pytest.raises(BlobError):
        verified_access(query, "account", f"{container}x", name, KEY)


@given(
    name=names,
    field=st.sampled_from(["sp", "se", "st", "sr", "sv", "spr", "sip", "rsct", "rscd", "si"]),
    value=st.text(max_size=20),
)
def test_no_signed_field_can_be_changed(name: str, field: str, value: str) -> None:
    query = own_query(name)
    assume(query.get(field, "") != value)
    with pytest.raises(BlobError) as refused:
        verified_access({**query, field: value}, "account", "files", name, KEY)
    assert refused.value.status == 403
    assert query["sig"] not in str(refused.value.details)


@given(signature=st.text())
def test_no_other_signature_is_accepted(signature: str) -> None:
    query = own_query("blob")
    assume(signature != query["sig"])
    with pytest.raises(BlobError):
        verified_access({**query, "sig": signature}, "account", "files", "blob", KEY)


@pytest.mark.parametrize(
    ("start", "expiry"),
    [
        (timedelta(hours=-2), timedelta(hours=-1)),
        (timedelta(hours=1), timedelta(hours=2)),
    ],
)
def test_a_signature_is_good_in_its_time_alone(start: timedelta, expiry: timedelta) -> None:
    now = datetime.now(timezone.utc)
    access = SharedAccess(
        permissions="r", start=now + start, expiry=now + expiry, path="files/blob", resource="b"
    )
    query = dict(parse_qsl(access.signed_query("account", KEY)))
    with pytest.raises(BlobError, match="AuthenticationFailed") as refused:
        verified_access(query, "account", "files", "blob", KEY)
    assert "time frame" in refused.value.details["AuthenticationErrorDetail"]


@pytest.mark.parametrize(
    "expiry",
    ["2099-01-01", "2099-01-01T00:00Z", "2099-01-01T00:00:00Z", "2099-01-01T00:00:00.1234567Z"],
)
def test_every_form_of_time_that_azure_knows_is_understood(expiry: str) -> None:
    token = generate_container_sas(
        "account", "files", account_key=KEY, permission="r", expiry=expiry
    )
    assert verified_access(dict(parse_qsl(token)), "account", "files", "b", KEY).expiry.year == 2099


def test_a_time_that_is_none_is_refused() -> None:
    token = generate_container_sas(
        "account", "files", account_key=KEY, permission="r", expiry="tomorrow"
    )
    with pytest.raises(BlobError, match="AuthenticationFailed"):
        verified_access(dict(parse_qsl(token)), "account", "files", "b", KEY)


@given(
    method=st.sampled_from(["GET", "PUT", "HEAD", "DELETE"]),
    path=st.from_regex(r"/[a-z0-9]{3,10}(/([a-zA-Z0-9._~-]|%[0-9A-F]{2}){1,20})?", fullmatch=True),
    query=st.dictionaries(
        st.sampled_from(["comp", "restype", "blockid", "prefix", "marker"]),
        st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1),
    ),
    headers=st.dictionaries(
        st.from_regex(r"x-ms-[a-z0-9_-]{1,12}", fullmatch=True)
        | st.sampled_from(["content-type", "content-length", "content-md5", "if-match"]),
        st.from_regex(r"[a-z0-9=]{1,10}", fullmatch=True),
    ),
)
def test_a_shared_key_signs_what_the_sdk_signs(
    method: str, path: str, query: dict[str, str], headers: dict[str, str]
) -> None:
    request = HttpRequest(
        method,
        f"https://account.blob.core.windows.net{path}",
        params=dict(query),
        headers=dict(headers),
    )
    SharedKeyCredentialPolicy("account", KEY).on_request(
        PipelineRequest(request, PipelineContext(None))
    )
    signature = shared_key_signature(method, path, query, headers, "account", KEY)
    assert request.headers["Authorization"] == f"SharedKey account:{signature}"


def own_query(name: str) -> dict[str, str]:
    access = SharedAccess(
        permissions="r", start=None, expiry=SOON, path=f"files/{name}", resource="b"
    )
    return dict(parse_qsl(access.signed_query("account", KEY)))
