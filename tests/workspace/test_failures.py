"""Every error of the SDKs becomes one of ours, with the service's words and without secrets."""

import json

import pytest
from azure.core import exceptions
from hypothesis import given
from hypothesis import strategies as st

from mlflow_azureml_backend.errors import (
    AuthenticationError,
    AzureMLBackendError,
    ForbiddenError,
    NotFoundError,
    ProjectError,
    QuotaError,
    UnavailableError,
    WorkspaceError,
)
from mlflow_azureml_backend.workspace.failures import service_errors, without_secrets


class Response:
    """An HTTP answer as azure-core's errors carry it."""

    def __init__(self, status, body="", headers=None, reason=None):
        self.status_code = status
        self.reason = reason
        self.headers = headers or {}
        self._body = body

    def text(self):
        return self._body

    def body(self):
        return self._body.encode()


def raised(error):
    with pytest.raises(WorkspaceError) as caught, service_errors("reading compute 'cpu'"):
        raise error
    assert caught.value.__cause__ is error
    return caught.value


def http_error(status, body="", **keywords):
    return exceptions.HttpResponseError(response=Response(status, body, **keywords))


SIGNED = "https://acc.blob.core.windows.net/c/f?sv=2024&se=2026-01-01&sr=c&sig=aB%2Bc%2F1%3D"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (SIGNED, SIGNED.replace("aB%2Bc%2F1%3D", "***")),
        (f"{SIGNED}&sp=r", f"{SIGNED}&sp=r".replace("aB%2Bc%2F1%3D", "***")),
        (f"GET '{SIGNED}' failed", f"GET '{SIGNED}' failed".replace("aB%2Bc%2F1%3D", "***")),
        ("?SIG=AbC", "?SIG=***"),
        ("Authorization: Bearer eyJ0.eyJ1.s-g_", "Authorization: Bearer ***"),
        ("authorization: bearer   eyJ0", "authorization: bearer   ***"),
        ("client_id=a&client_secret=S~1.x&scope=b", "client_id=a&client_secret=***&scope=b"),
        (
            "AccountName=a;AccountKey=Zm9v+/==;EndpointSuffix=core",
            "AccountName=a;AccountKey=***;EndpointSuffix=core",
        ),
        ("two sig=a and sig=b", "two sig=*** and sig=***"),
        ("design=new, assign=x", "design=new, assign=x"),
        ("nothing secret", "nothing secret"),
        ("", ""),
    ],
)
def test_secrets_are_masked(text, masked):
    assert without_secrets(text) == masked


secrets = st.text(
    st.characters(exclude_characters="&'\");", exclude_categories=["Z", "C"]), min_size=8
)


@given(secrets, st.sampled_from(["sig=", "Bearer ", "client_secret=", "AccountKey="]))
def test_no_part_of_a_secret_stays(secret, mark):
    assert without_secrets(f"x {mark}{secret} y") == f"x {mark}*** y"


@given(st.text())
def test_masking_twice_is_masking_once(text):
    assert without_secrets(without_secrets(text)) == without_secrets(text)


@pytest.mark.parametrize(
    "error",
    [
        http_error(403, json.dumps({"error": {"message": f"cannot read {SIGNED}"}})),
        http_error(500, "<html>", reason=f"proxy said sig={'x' * 20}"),
        exceptions.ServiceRequestError(f"cannot reach {SIGNED}"),
        exceptions.ClientAuthenticationError("client_secret=hunter2hunter2 is wrong"),
        exceptions.HttpResponseError("Bearer eyJ0eXAiOiJKV1Qi was refused"),
    ],
)
def test_no_message_holds_a_secret(error):
    message = str(raised(error))
    for secret in ("aB%2Bc%2F1%3D", "x" * 20, "hunter2", "eyJ0"):
        assert secret not in message
    assert "***" in message


@pytest.mark.parametrize(
    ("status", "kind", "advice"),
    [
        (400, WorkspaceError, ""),
        (401, AuthenticationError, "az login"),
        (403, ForbiddenError, "AzureML Data Scientist"),
        (404, NotFoundError, ""),
        (409, WorkspaceError, ""),
        (429, QuotaError, "Wait a little"),
        (500, UnavailableError, "Check the network"),
        (502, UnavailableError, "Check the network"),
        (503, UnavailableError, "Check the network"),
    ],
)
def test_a_status_becomes_a_kind_with_the_services_words_and_advice(status, kind, advice):
    body = json.dumps({"error": {"code": "UserError", "message": "The compute is gone"}})
    error = raised(http_error(status, body, headers={"x-ms-request-id": "r-1"}))
    assert type(error) is kind
    assert str(error).startswith(
        f"Error while reading compute 'cpu': The compute is gone (HTTP {status}, request r-1)."
    )
    assert advice in str(error)


@pytest.mark.parametrize(
    ("sdk_error", "kind"),
    [
        (exceptions.ResourceNotFoundError, NotFoundError),
        (exceptions.ResourceExistsError, WorkspaceError),
        (exceptions.ClientAuthenticationError, AuthenticationError),
    ],
)
def test_the_sdks_own_kinds_are_told_by_their_status_too(sdk_error, kind):
    status = {NotFoundError: 404, AuthenticationError: 401}.get(kind, 409)
    error = sdk_error(response=Response(status, "", reason="Why not"))
    assert type(raised(error)) is kind


@pytest.mark.parametrize(
    "body",
    ["", "<html>Bad Gateway</html>", "[]", "3", "null", "{}", '{"error": 3}', '{"error": null}'],
)
def test_an_answer_without_an_envelope_is_told_by_its_reason(body):
    error = raised(http_error(404, body, reason="Not Found"))
    assert str(error) == "Error while reading compute 'cpu': Not Found (HTTP 404)."


def test_an_error_without_an_answer_is_told_by_its_first_line():
    error = raised(exceptions.HttpResponseError("first\nsecond"))
    assert "first" in str(error)
    assert "second" not in str(error)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            (
                "HTTPSConnectionPool(host='management.azure.com', port=443): Max retries exceeded "
                "(Caused by NameResolutionError('[Errno -2] Name or service not known'))"
            ),
            "the host's name is not known (management.azure.com).",
        ),
        (
            "HTTPSConnectionPool(host='h.example', port=443): [Errno 111] Connection refused",
            "the connection was refused (h.example).",
        ),
        (
            "HTTPSConnectionPool(host='h', port=443): [SSL: CERTIFICATE_VERIFY_FAILED]",
            "the server's TLS certificate is not trusted (h).",
        ),
        ("Read timed out.", "no answer in time (the service)."),
        ("something else\nmore", "something else."),
        ("", "ServiceRequestError."),
    ],
)
def test_a_network_error_is_told_in_words(text, words):
    error = raised(exceptions.ServiceRequestError(text))
    assert type(error) is UnavailableError
    assert str(error).startswith(f"Error while reading compute 'cpu': {words} Check the network")


@pytest.mark.parametrize(
    "error", [exceptions.ServiceResponseError("x"), exceptions.IncompleteReadError("x")]
)
def test_an_answer_that_breaks_off_is_unavailable(error):
    assert type(raised(error)) is UnavailableError


@pytest.mark.parametrize("error", [NotFoundError("n"), ProjectError("p"), ZeroDivisionError("z")])
def test_what_is_not_the_sdks_passes_as_it_is(error):
    with pytest.raises(type(error)) as caught, service_errors("x"):
        raise error
    assert caught.value is error


def test_a_block_without_error_is_left_alone():
    with service_errors("x"):
        pass


def test_every_error_is_one_that_mlflow_prints_cleanly():
    from mlflow.exceptions import ExecutionException

    assert issubclass(AzureMLBackendError, ExecutionException)
    assert issubclass(WorkspaceError, AzureMLBackendError)
