"""Where a run lives is decided by MLflow's tracking URI, and told with the reason."""

import pytest

from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.job import EMULATOR, WorkspaceRef
from mlflow_azureml_backend.tracking.choice import Situation, choose, uri_for_job
from mlflow_azureml_backend.tracking.server_access import variables_needed

WORKSPACE = WorkspaceRef(subscription_id="s", resource_group="g", workspace_name="w")
OWN = f"azureml://westeurope.api.azureml.ms/mlflow/v1.0{WORKSPACE.arm_id}"
OTHER = OWN.replace("/workspaces/w", "/workspaces/other")
PUBLIC, PRIVATE = "93.184.216.34", "10.1.2.3"


def resolve(host):
    return {"inside.example.com": [PRIVATE], "mlflow.example.com": [PUBLIC]}.get(host, [])


def chosen(wanted="auto", uri="https://mlflow.example.com", **changes):
    situation = Situation(**{"tracking_uri": uri, "workspace": WORKSPACE, **changes})
    return choose(wanted, situation, resolve=resolve)


@pytest.mark.parametrize(
    ("uri", "mode", "reason"),
    [
        (OWN, "workspace", "the workspace's own"),
        (OWN.replace("resourceGroups", "resourcegroups"), "workspace", "own"),
        ("sqlite:///mlflow.db", "mirror", "a file of this machine"),
        ("file:///home/me/mlruns", "mirror", "of this machine"),
        ("/home/me/mlruns", "mirror", "of this machine"),
        ("", "mirror", "of this machine"),
        ("postgresql://db.example.com/mlflow", "mirror", "a database"),
        ("mysql+pymysql://me:pw@db.example.com/mlflow", "mirror", "a database"),
        ("http://localhost:5000", "mirror", "is this machine"),
        ("http://127.0.0.1:5000/", "mirror", "is this machine"),
        ("http://[::1]:5000", "mirror", "is this machine"),
        ("https://10.0.0.4", "mirror", "private address"),
        ("http://192.168.1.4:5000", "mirror", "private address"),
        ("http://[fd00::1]", "mirror", "private address"),
        ("http://169.254.1.1", "mirror", "private address"),
        ("https://mlflow", "mirror", "private network"),
        ("https://mlflow.corp.internal", "mirror", "private network"),
        ("https://inside.example.com", "mirror", "private address"),
        ("https://mlflow.example.com", "shared", "logs to https://mlflow.example.com"),
        ("http://mlflow.example.com:5000/sub", "shared", "itself"),
        ("https://93.184.216.34", "shared", "itself"),
        ("https://unresolved.example.com", "shared", "itself"),
        ("databricks", "shared", "databricks"),
        ("databricks://profile", "shared", "databricks"),
    ],
)
def test_auto_decides_by_the_uri_and_says_why(uri, mode, reason):
    choice = chosen(uri=uri)

    assert choice.mode == mode
    assert reason in choice.line()
    assert "pw" not in choice.line()


@pytest.mark.parametrize(
    ("changes", "mode", "reason"),
    [
        ({"has_children": True}, "mirror", "sweep"),
        ({"needed": ("MLFLOW_TRACKING_TOKEN",)}, "mirror", "wants MLFLOW_TRACKING_TOKEN"),
        (
            {"needed": ("MLFLOW_TRACKING_TOKEN",), "declared": {"MLFLOW_TRACKING_TOKEN": True}},
            "shared",
            "itself",
        ),
        ({"uri": OTHER}, "mirror", "identity"),
        ({"uri": OTHER, "identity": "managed"}, "shared", "itself"),
    ],
)
def test_auto_mirrors_where_the_job_would_not_get_in(changes, mode, reason):
    choice = chosen(**changes)

    assert choice.mode == mode
    assert reason in choice.reason


@pytest.mark.parametrize(
    ("wanted", "changes", "told"),
    [
        ("shared", {"uri": "sqlite:///mlflow.db"}, "sqlite:///mlflow.db: which is a file of this"),
        ("both", {"uri": "file:///x"}, "no job can log to it"),
        ("shared", {"uri": "http://127.0.0.1:5000"}, "which only this machine reaches"),
        ("shared", {"has_children": True}, "a sweep"),
        ("both", {"is_distributed": True}, "a distributed job"),
        ("both", {"uri": OTHER}, "another workspace"),
        ("mirror", {"uri": OWN}, "says nothing here"),
        ("shared", {"uri": OWN}, "says nothing here"),
        (
            "shared",
            {"needed": ("MLFLOW_TRACKING_PASSWORD",)},
            '"MLFLOW_TRACKING_PASSWORD": {"value": "${env:MLFLOW_TRACKING_PASSWORD}", "secret": tr',
        ),
        (
            "shared",
            {"needed": ("MLFLOW_TRACKING_CLIENT_CERT_PATH",)},
            "keyvault:NAME-OF-THE-PEM",
        ),
        (
            "shared",
            {"declared": {"MLFLOW_TRACKING_TOKEN": False}},
            "everybody who can read the job",
        ),
    ],
)
def test_what_cannot_work_is_one_clear_message(wanted, changes, told):
    with pytest.raises(ConfigError) as caught:
        chosen(wanted, **changes)

    assert str(caught.value).startswith("Backend config: tracking: '")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "changes"),
    [
        ("mirror", {}),
        ("workspace", {"uri": OWN}),
        ("workspace", {"uri": "sqlite:///mlflow.db"}),
        ("shared", {"uri": "http://127.0.0.1:5000", "workspace": EMULATOR}),
        ("shared", {"uri": "http://10.0.0.4"}),
        ("shared", {"is_distributed": True}),
        ("both", {"needed": ("MLFLOW_TRACKING_TOKEN",), "declared": {"MLFLOW_TRACKING_TOKEN": 1}}),
        ("shared", {"declared": {"MLFLOW_TRACKING_CLIENT_CERT_PATH": False}}),
    ],
)
def test_what_the_config_says_is_taken_where_it_can_work(wanted, changes):
    assert chosen(wanted, **changes).mode == wanted


@pytest.mark.parametrize(
    ("uri", "in_the_job"),
    [
        ("https://me:pw@mlflow.example.com:8443/sub/", "https://mlflow.example.com:8443/sub"),
        ("https://mlflow.example.com", "https://mlflow.example.com"),
        ("databricks://profile", "databricks"),
        (OTHER, OTHER),
    ],
)
def test_a_job_gets_the_uri_without_what_belongs_to_this_machine(uri, in_the_job):
    assert uri_for_job(uri) == in_the_job


@pytest.mark.parametrize(
    ("uri", "environ", "needed"),
    [
        ("https://h", {}, ()),
        ("https://h", {"MLFLOW_TRACKING_TOKEN": "t"}, ("MLFLOW_TRACKING_TOKEN",)),
        (
            "https://me:pw@h",
            {"MLFLOW_TRACKING_INSECURE_TLS": "true"},
            (
                "MLFLOW_TRACKING_INSECURE_TLS",
                "MLFLOW_TRACKING_USERNAME",
                "MLFLOW_TRACKING_PASSWORD",
            ),
        ),
        ("databricks", {"DATABRICKS_TOKEN": "t"}, ("DATABRICKS_TOKEN",)),
        ("databricks://profile", {}, ("DATABRICKS_TOKEN",)),
        (
            "databricks",
            {"DATABRICKS_CLIENT_ID": "i", "DATABRICKS_CLIENT_SECRET": "s"},
            ("DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET"),
        ),
        ("sqlite:///mlflow.db", {"MLFLOW_TRACKING_TOKEN": "t"}, ()),
        (OWN, {"MLFLOW_TRACKING_TOKEN": "t"}, ()),
    ],
)
def test_the_job_needs_what_lets_this_machine_in(uri, environ, needed):
    assert variables_needed(uri, environ) == needed
