"""Each key of the job YAML, as a backend config says it: for golden files and for the table."""

MANAGED = "00000000-0000-0000-0000-0000000000aa"
KEY = "ssh-ed25519 AAAA me@here"

CASES = {
    "compute": {"compute": "gpu-cluster"},
    "compute_serverless": {"compute": "serverless"},
    "resources": {
        "compute": "gpu-cluster",
        "resources": {
            "instance_type": "Standard_E4s_v3",
            "instance_count": 2,
            "max_instance_count": 4,
            "shm_size": "16g",
            "docker_args": ["--ulimit", "memlock=-1", "--label", "two words"],
            "locations": ["westeurope", "northeurope"],
            "properties": {"targetSelector": {"computeType": "AmlK8s"}},
        },
    },
    "distribution_pytorch": {
        "resources": {"instance_count": 2},
        "distribution": {"type": "PyTorch", "process_count_per_instance": 4},
    },
    "distribution_mpi": {"distribution": {"type": "mpi", "process_count_per_instance": 2}},
    "distribution_tensorflow": {
        "distribution": {"type": "tensorflow", "worker_count": 2, "parameter_server_count": 1}
    },
    "distribution_ray": {
        "distribution": {
            "type": "ray",
            "port": 6380,
            "address": "10.0.0.4",
            "include_dashboard": True,
            "dashboard_port": 8266,
            "head_node_additional_args": "--num-cpus=2",
            "worker_node_additional_args": "--num-cpus=1",
        }
    },
    "limits": {"limits": {"timeout": 5400}},
    "queue_settings": {"queue_settings": {"job_tier": "Spot", "priority": "high"}},
    "identity_managed": {
        "identity": {"type": "managed", "client_id": MANAGED, "object_id": MANAGED}
    },
    "identity_managed_resource": {
        "identity": {"type": "managed", "msi_resource_id": "/subscriptions/s/identities/train"}
    },
    "identity_user": {"identity": {"type": "UserIdentity"}},
    "identity_aml_token": {"identity": {"type": "aml_token"}},
    "services": {
        "services": {
            "shell": {"type": "ssh", "ssh_public_keys": KEY, "nodes": "all", "port": 2222},
            "board": {"type": "tensor_board", "log_dir": "outputs/tb"},
            "lab": {"type": "jupyter_lab", "properties": {"a": 1}},
            "code": {"type": "vs_code"},
        }
    },
    "environment_variables": {
        "environment_variables": {
            "OMP_NUM_THREADS": 2,
            "WHO": "${env:USERNAME_HERE}!",
            "LOOKS_LIKE_IT": "$${env:NOT_READ}",
            "PASSWORD": "keyvault:train-vault/db-password",
            "TOKEN": {"value": "${env:TOKEN_HERE}", "secret": True},
        }
    },
    "tags": {"tags": {"team": "vision", "fold": 3, "long": "x" * 1001}},
    "properties": {"properties": {"cost_center": 42}},
    "names": {
        "display_name": "a run: with # signs",
        "experiment_name": "e",
        "description": "Two\nlines.",
        "parent_job_name": "parent_job",
    },
    "is_deterministic": {"is_deterministic": False},
    "environment_reference": {"environment": "azureml:train:4"},
    "environment_build": {"environment": {"build": {"path": ".", "dockerfile_path": "MLproject"}}},
}
ENVIRON = {"USERNAME_HERE": "me", "TOKEN_HERE": "not to be seen"}
