"""In a job, this package is towards Azure who the job is."""

import pytest
from azure.core.exceptions import ClientAuthenticationError

from mlflow_azureml_backend.errors import AuthenticationError
from mlflow_azureml_backend.job import EMULATOR
from mlflow_azureml_backend.workspace.failures import service_errors
from mlflow_azureml_backend.workspace.job_identity import azure_credential, is_job_of

JOB = {"AZUREML_RUN_ID": "job"}
OBO = {"OBO_ENDPOINT": "http://127.0.0.1:1/obo"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "DefaultAzureCredential"),
        (OBO, "DefaultAzureCredential"),
        (JOB, "DefaultAzureCredential"),
        ({**JOB, **OBO}, "AzureMLOnBehalfOfCredential"),
        ({**JOB, **OBO, "AZURE_CLIENT_ID": "c"}, "DefaultAzureCredential"),
    ],
)
def test_a_job_that_runs_as_its_user_asks_in_the_users_name(environ, expected):
    assert type(azure_credential(environ)).__name__ == expected


def test_the_identity_that_the_service_names_is_taken(monkeypatch):
    monkeypatch.setenv("MSI_ENDPOINT", "http://127.0.0.1:1/msi")
    monkeypatch.setenv("MSI_SECRET", "s")
    chain = azure_credential({**JOB, "DEFAULT_IDENTITY_CLIENT_ID": "the-named-one"})
    [managed] = [
        each for each in chain.credentials if type(each).__name__ == "ManagedIdentityCredential"
    ]
    assert "the-named-one" in repr(vars(managed._credential._client)) + repr(
        vars(managed._credential)
    )


def test_a_job_of_the_emulator_knows_its_own_workspace():
    here = {**JOB, "AZUREML_ARM_SUBSCRIPTION": EMULATOR.subscription_id}
    assert is_job_of(EMULATOR, here)
    assert not is_job_of(EMULATOR, {**JOB, "AZUREML_ARM_SUBSCRIPTION": "other"})
    assert not is_job_of(EMULATOR, {})


@pytest.mark.parametrize(("in_a_job", "advice"), [(False, "az login"), (True, "user_identity")])
def test_who_is_not_let_in_is_told_what_to_do_where_they_are(monkeypatch, in_a_job, advice):
    if in_a_job:
        monkeypatch.setenv("AZUREML_RUN_ID", "job")
    with pytest.raises(AuthenticationError, match=advice), service_errors("signing in"):
        raise ClientAuthenticationError("nobody")
