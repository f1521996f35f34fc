"""A backend config becomes frozen types, or one message that says all that is wrong with it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mlflow_azureml_backend.config import BackendConfig, read_backend_config
from mlflow_azureml_backend.config.environment_schema import EnvironmentConfig
from mlflow_azureml_backend.config.schema import WorkspaceConfig
from mlflow_azureml_backend.errors import ConfigError

INLINE = {"subscription_id": "s", "resource_group": "g", "workspace_name": "w"}


def read(raw):
    return read_backend_config(raw)[0]


def refused(raw):
    with pytest.raises(ConfigError) as caught:
        read_backend_config(raw)
    return str(caught.value)


def test_an_empty_config_is_all_defaults():
    config = read({})
    assert config == BackendConfig()
    assert config.stream
    assert config.on_interrupt == "cancel"
    assert config.compute is config.workspace is config.environment is config.queue_timeout is None
    assert config.tags == config.environment_variables == {}


def test_every_key_is_read():
    raw = {
        "workspace": INLINE,
        "compute": "cpu",
        "environment": {"image": "i", "conda_file": {"dependencies": []}, "build": None},
        "image": {"base": None, "gpu": None, "repository": "r.io/a/b", "build": True, "push": True},
        "inject": "command",
        "lock": {"platforms": ["osx-64"], "channels": ["c"], "file": "f.yml", "check": True},
        "inputs": {"rate": "0.1", "data": {"type": "mltable", "path": "x", "mode": "download"}},
        "outputs": {
            "model": {
                "type": "mlflow_model",
                "path": "azureml://datastores/d/paths/p",
                "mode": "upload",
                "name": "n",
                "version": "1",
            }
        },
        "max_input_size": 5,
        "snapshot": {"exclude": ["*.csv"], "max_size": 6},
        "environment_variables": {"A": "1"},
        "experiment_name": "e",
        "display_name": "d",
        "description": "t",
        "tags": {"k": "v"},
        "properties": {"p": "v"},
        "resources": {
            "instance_type": "t",
            "instance_count": 2,
            "max_instance_count": 3,
            "shm_size": "4g",
            "docker_args": "--ipc host",
            "locations": ["westeurope"],
            "properties": {"a": {"b": 1}},
        },
        "distribution": {"type": "pytorch", "process_count_per_instance": 2},
        "limits": {"timeout": 60},
        "queue_settings": {"job_tier": "spot", "priority": "low"},
        "identity": {"type": "user_identity"},
        "services": {
            "t": {
                "type": "tensor_board",
                "log_dir": "l",
                "nodes": "all",
                "port": 1,
                "properties": {"a": "b"},
            }
        },
        "parent_job_name": "p",
        "nested_runs": True,
        "is_deterministic": True,
        "job_file": "job.yml",
        "dry_run": True,
        "sweep": {
            "search_space": {"x": {"type": "choice", "values": [1, "a"]}},
            "sampling_algorithm": "random",
            "objective": {"goal": "minimize", "primary_metric": "loss"},
            "limits": {
                "max_total_trials": 4,
                "max_concurrent_trials": 2,
                "timeout": 600,
                "trial_timeout": 60,
            },
            "early_termination": None,
        },
        "steps": None,
        "register_model": None,
        "mirror_artifacts": "all",
        "stream": False,
        "on_interrupt": "detach",
        "tracking": "mirror",
        "queue_timeout": 60,
    }
    config = read(raw)
    assert config.model_dump() == raw
    assert set(raw) == set(BackendConfig.model_fields)
    assert isinstance(config.workspace, WorkspaceConfig)
    assert isinstance(config.environment, EnvironmentConfig)


@pytest.mark.parametrize("section", ["tags", "environment_variables"])
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        ("", ""),
        (1, "1"),
        (-1.5, "-1.5"),
        (1e100, "1e+100"),
        (0, "0"),
        (True, "true"),
        (False, "false"),
        (12345678901234567890, "12345678901234567890"),
    ],
)
def test_scalars_become_text(section, value, text):
    assert getattr(read({section: {"k": value}}), section) == {"k": text}


def test_a_config_cannot_be_changed():
    config = read({"compute": "cpu"})
    with pytest.raises(ValidationError, match="frozen"):
        config.compute = "gpu"


@pytest.mark.parametrize(
    ("raw", "env_manager"),
    [
        ({}, None),
        ({"SYNCHRONOUS": False, "ENV_MANAGER": "local"}, "local"),
        ({"SYNCHRONOUS": True, "ENV_MANAGER": "conda"}, "conda"),
    ],
)
def test_what_mlflow_adds_is_read_apart(raw, env_manager):
    added = {"DOCKER_ARGS": {}, "STORAGE_DIR": None, "build_image": False, "docker_auth": None}
    config, options = read_backend_config({"compute": "cpu", **added, **raw})
    assert config == BackendConfig(compute="cpu")
    assert options.env_manager == env_manager


def test_what_signs_in_to_a_registry_is_read_and_never_shown():
    login = {"username": "builder", "password": "secret", "registry": "r.io"}
    _, options = read_backend_config({"docker_auth": login})
    assert options.docker_auth == login
    assert "secret" not in repr(options)
    for wrong in ({**login, "passwort": "secret"}, {"password": "secret"}, ["secret"]):
        message = refused({"docker_auth": wrong})
        assert message.startswith("docker_auth must hold `username`")
        assert "secret" not in message


@pytest.mark.parametrize(
    "name", ["acr.azurecr.io/team/p", "10.0.0.1:5000/p", "team/p", "r.io/a_b-c"]
)
def test_a_repository_is_a_registry_and_a_path(name):
    assert read({"image": {"repository": name}}).image.repository == name


REPOSITORY = (
    "must be a registry and a repository in lower case, without a tag, such as "
    "'myregistry.azurecr.io/team/project'"
)
WRONG = [
    *(
        ({"image": {"repository": name}}, f"image.repository: {REPOSITORY}, got {name!r}.")
        for name in ("r.io/a:1", "r.io/A", "r.io/a@sha256:1", "project", "https://r.io/a", "r.io/")
    ),
    (
        {"image": {"build": True}},
        (
            "image: `build` needs `repository`, the registry that the job gets the image from, "
            "got {'build': True}."
        ),
    ),
    (
        {"image": {"push": False}},
        (
            "image: `push` needs `repository`, the registry that the job gets the image from, "
            "got {'push': False}."
        ),
    ),
    (
        {"image": {"repository": "r.io/a", "gpu": True}},
        (
            "image: cannot have `repository` and `base` or `gpu`: those are for an environment "
            "that Azure ML builds from a conda file, got {'repository': 'r.io/a', 'gpu': True}."
        ),
    ),
    ({"compute": 3}, "compute: must be text, got 3."),
    ({"compute": ""}, "compute: must not be empty, got ''."),
    ({"compute": ["a"]}, "compute: must be text, got ['a']."),
    ({"stream": "yes"}, "stream: must be true or false, got 'yes'."),
    ({"stream": 1}, "stream: must be true or false, got 1."),
    ({"stream": None}, "stream: must be true or false, got None."),
    ({"queue_timeout": "60"}, "queue_timeout: must be a whole number, got '60'."),
    ({"queue_timeout": 1.5}, "queue_timeout: must be a whole number, got 1.5."),
    ({"queue_timeout": True}, "queue_timeout: must be a whole number, got True."),
    ({"queue_timeout": 0}, "queue_timeout: must be greater than 0, got 0."),
    ({"queue_timeout": -5}, "queue_timeout: must be greater than 0, got -5."),
    ({"tags": ["a"]}, "tags: must be an object of key and value, got ['a']."),
    ({"tags": {"a": ["b"]}}, "tags.a: must be text, got ['b']."),
    ({"tags": {"<text>": None}}, "tags.<text>: must be text, got None."),
    ({"tags": {"a": None}}, "tags.a: must be text, got None."),
    ({"tags": {"a": {"b": "c"}}}, "tags.a: must be text, got {'b': 'c'}."),
    ({"tags": {"": "x"}}, "tags: a key must not be empty, got ''."),
    ({"environment_variables": {"A": None}}, "environment_variables.A: must be text or an object."),
    (
        {"environment_variables": "A=1"},
        "environment_variables: must be an object of key and value.",
    ),
    ({"workspace": 3}, "workspace: must be text or an object, got 3."),
    ({"workspace": []}, "workspace: must be text or an object, got []."),
    ({"workspace": ""}, "workspace: must not be empty, got ''."),
    (
        {"workspace": {"subscription_id": "s", "resource_group": "g"}},
        "workspace.workspace_name: is missing.",
    ),
    (
        {"workspace": {**INLINE, "resource_group": 7}},
        "workspace.resource_group: must be text, got 7.",
    ),
    ({"environment": 3}, "environment: must be text or an object, got 3."),
    (
        {"environment": {"conda_file": "c.yaml"}},
        "environment: must have either image or build, got {'conda_file': 'c.yaml'}.",
    ),
    (
        {"environment": {"build": {}}},
        "environment.build.path: is missing.",
    ),
    (
        {"resources": {"instance_count": 0}},
        "resources.instance_count: must be greater than 0, got 0.",
    ),
    (
        {"resources": {"instance_count": 3, "max_instance_count": 2}},
        (
            "resources: must have a max_instance_count that is not below instance_count, "
            "got {'instance_count': 3, 'max_instance_count': 2}."
        ),
    ),
    (
        {"resources": {"shm_size": "2gb"}},
        "resources.shm_size: must be a number and one of b, k, m, g, such as '4g', got '2gb'.",
    ),
    ({"resources": {"docker_args": 3}}, "resources.docker_args: must be text, got 3."),
    ({"resources": {"locations": []}}, "resources.locations: must not be empty, got []."),
    ({"limits": {"timeout": "1h"}}, "limits.timeout: must be a whole number, got '1h'."),
    (
        {"queue_settings": {"priority": 3}},
        "queue_settings.priority: must be 'low', 'medium' or 'high', got 3.",
    ),
    (
        {"distribution": {"type": "horovod"}},
        (
            "distribution: must be an object whose `type` is 'pytorch', 'mpi', 'tensorflow' or "
            "'ray', got {'type': 'horovod'}."
        ),
    ),
    (
        {"identity": "managed"},
        (
            "identity: must be an object whose `type` is 'managed', 'user_identity' or "
            "'aml_token', got 'managed'."
        ),
    ),
    (
        {"identity": {"type": "managed", "client_id": "me"}},
        "identity.client_id: must be a UUID, got 'me'.",
    ),
    ({"services": {"s": {"type": "ssh"}}}, "services.s.ssh_public_keys: is missing."),
    (
        {"services": {"s": {"type": "vs_code", "port": 70000}}},
        "services.s.port: must be less than 65536, got 70000.",
    ),
    (
        {"environment_variables": {"A": {"value": "hidden", "secret": False}}},
        "environment_variables.A.secret: must be true.",
    ),
    (
        {"environment_variables": {"A": "keyvault:no name"}},
        (
            "environment_variables.A: must be 'keyvault:NAME' or 'keyvault:VAULT/NAME', with "
            "'/VERSION' or without; a name is of letters, digits and hyphens."
        ),
    ),
    (
        {"environment_variables": {"A=B": "x"}},
        "environment_variables: a key must not hold '=' or a zero byte.",
    ),
    (
        {"tags": {"k" * 101: "v"}},
        (
            "tags: the key 'kkkkkkkkkkkkkkkkkkkk…' has 101 characters, and Azure ML keeps 100, got "
            f"{{'{'k' * 55}...."
        ),
    ),
    (
        {"tags": {str(number): "" for number in range(60)}},
        (
            "tags: has 60 entries, and Azure ML keeps 50, got "
            "{'0': '', '1': '', '2': '', '3': '', '4': '', '5': '', '6...."
        ),
    ),
    ({"image": 3}, "image: must be text or an object, got 3."),
    ({"image": {"gpu": "yes"}}, "image.gpu: must be true or false, got 'yes'."),
    (
        {"inject": "always"},
        "inject: must be 'environment', 'command' or 'never', got 'always'.",
    ),
    ({"environment": {"image": ""}}, "environment.image: must not be empty, got ''."),
    (
        {"environment": {"image": "i", "conda_file": 3}},
        "environment.conda_file: must be text or an object, got 3.",
    ),
    (
        {"experiment_name": "x" * 257},
        f"experiment_name: must have at most 256 characters, got '{'x' * 56}....",
    ),
]


@pytest.mark.parametrize(("raw", "message"), WRONG)
def test_a_wrong_value_is_one_message_with_key_problem_and_value(raw, message):
    assert refused(raw) == f"Backend config: {message}"


ALL_KEYS = ", ".join(BackendConfig.model_fields)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"comput": "x"}, f"comput: unknown key. Did you mean 'compute'? Allowed: {ALL_KEYS}."),
        ({"TAGS": {}}, f"TAGS: unknown key. Did you mean 'tags'? Allowed: {ALL_KEYS}."),
        ({"enviroment": "x"}, "Did you mean 'environment'?"),
        ({"env_variables": {}}, "Did you mean 'environment_variables'?"),
        ({"experiment": "x"}, "Did you mean 'experiment_name'?"),
        ({"queue-timeout": 3}, "Did you mean 'queue_timeout'?"),
        ({"zzz": 1}, f"zzz: unknown key. Allowed: {ALL_KEYS}."),
        ({"<object>": 1}, "<object>: unknown key."),
        ({"workspace": {**INLINE, "<text>": 1}}, "workspace.<text>: unknown key."),
        (
            {"workspace": {**INLINE, "workspace": "w"}},
            "workspace.workspace: unknown key. Did you mean 'workspace_name'?",
        ),
        (
            {"environment": {"image": "i", "conda": "c.yaml"}},
            "Did you mean 'conda_file'? Allowed: image, conda_file, build.",
        ),
        (
            {"environment": {"build": {"path": ".", "dockerfile": "D"}}},
            "Did you mean 'dockerfile_path'? Allowed: path, dockerfile_path.",
        ),
        ({"resources": {"instance_counts": 2}}, "Did you mean 'instance_count'?"),
        (
            {"distribution": {"type": "mpi", "worker_count": 1}},
            "distribution.worker_count: unknown key. Allowed: type, process_count_per_instance.",
        ),
        (
            {"services": {"<text>": {"type": "ssh", "ssh_public_keys": "k", "ports": 1}}},
            "services.<text>.ports: unknown key. Did you mean 'port'?",
        ),
        (
            {"environment_variables": {"A": {"value": "v", "secret": True, "vault": "x"}}},
            "environment_variables.A.vault: unknown key. Did you mean 'value'?",
        ),
        ({"image": {"bass": "x"}}, "image.bass: unknown key. Did you mean 'base'?"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_and_all_that_are_allowed(raw, message):
    assert message in refused(raw)


def test_several_problems_are_told_at_once():
    message = refused(
        {"comput": "x", "stream": "no", "tags": {"a": None}, "workspace": {"subscription_id": ""}}
    )
    head, *lines = message.splitlines()
    assert head == "Backend config: 6 problems:"
    assert sorted(line.split(":")[0] for line in lines) == [
        "  - comput",
        "  - stream",
        "  - tags.a",
        "  - workspace.resource_group",
        "  - workspace.subscription_id",
        "  - workspace.workspace_name",
    ]


def test_a_problem_inside_an_object_is_told_for_the_object_alone():
    assert "problems" not in refused({"environment": {"image": 3}})


def test_what_mlflow_adds_to_the_config_is_read_beside_it():
    _, options = read_backend_config(
        {"build_image": True, "DOCKER_ARGS": {"ipc": "host"}, "ENV_MANAGER": "local"}
    )
    assert options.build_image
    assert options.docker_args == {"ipc": "host"}
    assert options.env_manager == "local"
    assert read_backend_config({"DOCKER_ARGS": None})[1].docker_args == {}


def test_a_key_that_is_no_text_is_a_problem_too():
    assert "Backend config: 3: " in refused({3: "x"})


def test_a_long_value_is_shown_shortened():
    assert len(refused({"compute": ["x" * 5000]})) < 200


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3)
    ),
    max_leaves=8,
)
keys = st.one_of(
    st.sampled_from([*BackendConfig.model_fields, "COMPUTE", "ENV_MANAGER", "build_image"]),
    st.text(max_size=12),
)
sections = st.dictionaries(
    st.sampled_from(
        ["subscription_id", "image", "conda_file", "repository", "build", "push", "a{b}", ""]
    ),
    json_values,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(keys, st.one_of(json_values, sections), max_size=5))
def test_any_json_object_is_a_config_or_one_config_error(raw):
    try:
        config, _ = read_backend_config(raw)
    except ConfigError as error:
        assert str(error).startswith("Backend config: ")  # noqa: PT017
    else:
        assert BackendConfig.model_validate(config.model_dump()) == config
