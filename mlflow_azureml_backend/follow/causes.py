"""What likely made a job fail, read from its last lines and the service's error."""

from __future__ import annotations

import re
from typing import NamedTuple

from mlflow_azureml_backend.job import Cause


class _Known(NamedTuple):
    pattern: str
    what: str
    fix: str


# The first that fits is told. `{1}` is what the first group of the pattern found.
_KNOWN = (
    _Known(
        r"unexpected keyword argument 'tracking_uri'"
        r"|(?:azureml[._]mlflow|azureml-mlflow)\S*.{0,200}(?:ImportError|AttributeError|TypeError)"
        r"|(?:ImportError|AttributeError|TypeError).{0,200}(?:azureml[._]mlflow|azureml-mlflow)"
        r"|No tracking store registered for scheme 'azureml'"
        r"|Could not find a registered artifact repository for: azureml:",
        "the azureml-mlflow in the job does not fit its MLflow.",
        "Leave azureml-mlflow out of the project's environment, so that the release that fits is "
        "added (`inject`), or pin one that is made for this MLflow.",
    ),
    _Known(
        r"ModuleNotFoundError: No module named '([^']+)'",
        "the Python package '{1}' is not in the job's environment.",
        "Add the package that has it to the project's conda.yaml, python_env.yaml or "
        "requirements.txt; a module of the project itself must be in the snapshot and importable "
        "from its root.",
    ),
    _Known(
        r"CUDA out of memory|torch\.(?:cuda\.)?OutOfMemoryError|CUDA_ERROR_OUT_OF_MEMORY"
        r"|ResourceExhaustedError: OOM when allocating",
        "the GPU's memory is used up.",
        "Make batches or the model smaller, or take a compute with larger GPUs.",
    ),
    _Known(
        r"Found no NVIDIA driver|Torch not compiled with CUDA enabled|no CUDA-capable device"
        r"|CUDA driver version is insufficient|libcudart\.so|libcuda\.so"
        r"|torch\.cuda\.is_available\(\) is False|could not select device driver .{0,40}gpu",
        "the job wants CUDA, and its compute or its environment has none.",
        "Take a compute with GPUs and an image with CUDA, or let the code run on the CPU.",
    ),
    _Known(
        r"bus error.{0,80}shared memory|DataLoader worker .{0,60}killed by signal: Bus",
        "the container's shared memory is used up.",
        'Raise `shm_size` in the backend config\'s `resources`, for instance to "16g".',
    ),
    _Known(
        r"(?:status code|exit code|exitcode|exit status):? *(?:137|-9)\b|signal 9|SIGKILL"
        r"|OOMKilled|OutOfMemory(?:Error)?\b|out of memory|MemoryError|oom-kill"
        r"|std::bad_alloc|Cannot allocate memory",
        "the process used up the node's memory and was killed.",
        "Take a compute with more memory, or load less at once.",
    ),
    _Known(
        r"No space left on device|Disk quota exceeded|\[Errno 28\]|DiskFullError",
        "the node's disk is full.",
        "Write less, write to `outputs/`, or take a compute with a larger disk.",
    ),
    _Known(
        r"[Qq]uota|LowPriorityCores|not enough cores|SkuNotAvailable|AllocationFailed"
        r"|ZonalAllocationFailed|OverconstrainedAllocationRequest",
        "the subscription's quota or the region's capacity does not suffice.",
        "Ask for a higher quota in the Azure portal, or take another VM size or region.",
    ),
    _Known(
        r"[Pp]re-?empt(?:ed|ion)",
        "the node was taken away, as it happens to low-priority (spot) nodes.",
        "Submit it again, or take dedicated nodes; save checkpoints to `outputs/`.",
    ),
    _Known(
        r"ran longer than its limit|[Mm]axim(?:um|al) (?:run|execution) ?(?:time|duration)"
        r"|exceeded .{0,40}time ?(?:limit|out)|JobTimeout|job timed out",
        "the job took longer than its limit.",
        "Raise `timeout` in the backend config's `limits`.",
    ),
    _Known(
        r"[Ii]mage build failed|ResolvePackageNotFound|PackagesNotFoundError"
        r"|ResolutionImpossible|No matching distribution found for ([^\s(]+)"
        r"|LibMambaUnsatisfiableError",
        "the environment could not be built.",
        "The build's log names the package; correct its name, version or channel.",
    ),
    _Known(
        r"can't open file '([^']+)'|FileNotFoundError: .{0,60}No such file or directory: '([^']+)'",
        "a file that the job wants is not there.",
        "Files of the project are found below its root; what .amlignore or .gitignore names is "
        "not uploaded, and paths of your own machine do not exist in a job.",
    ),
    _Known(
        r"(?:AuthorizationFailure|AuthorizationPermissionMismatch|AuthenticationFailed"
        r"|does not have authorization|This request is not authorized)",
        "the job's identity may not do what it tried.",
        "Give the compute's or the user's identity a role, such as 'Storage Blob Data "
        "Contributor', on the storage.",
    ),
    _Known(
        r"(?:NCCL|Gloo|c10d).{0,120}(?:[Tt]imed? ?out|connection (?:reset|closed|refused))"
        r"|RendezvousConnectionError",
        "the nodes of the job lost each other.",
        "Look at the other ranks: the first one that failed made the others wait.",
    ),
    _Known(
        r"Permission denied: '([^']+)'",
        "the job may not write to '{1}'.",
        "Write to `outputs/` or to the working folder.",
    ),
    _Known(
        r"(?:status code|exit code):? *127\b|: (?:command )?not found",
        "a command does not exist in the job's environment.",
        "Install it with the environment, or use an image that has it.",
    ),
    _Known(
        r"(?:status code|exit code):? *(?:139|-11)\b|Segmentation fault",
        "the process crashed in native code (segmentation fault).",
        "Compare the versions of the native packages with those that worked.",
    ),
)
_KNOWN_PATTERNS = tuple((re.compile(known.pattern, re.DOTALL), known) for known in _KNOWN)


def likely_cause(texts: tuple[str, ...]) -> Cause | None:
    """Name the likely cause of a failure, or None when nothing known fits.

    Args:
        texts: What tells of it, the most telling first: the last lines, the service's error.
    """
    for pattern, known in _KNOWN_PATTERNS:
        for text in texts:
            match = pattern.search(text)
            if match is not None:
                found = next((group for group in match.groups() if group), "")
                return Cause(what=known.what.replace("{1}", found), fix=known.fix)
    return None
