"""The image that a project's conda file is built on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Azure ML's own base images for training, the ones its samples build conda files on.
CPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
CUDA_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.8-cudnn8-ubuntu22.04"

# What is of no use without CUDA. Packages that bring what they need of it along, as PyTorch's do by
# default, are not among them: they run on either image.
_NEEDS_CUDA = re.compile(
    r"""(?ix)
    ^(\S+::)?(cudatoolkit | cudnn | cuda(-\S+)? | nccl | pytorch-(cuda|gpu) | tensorflow-gpu | cupy
        | cupy-cuda\S* | onnxruntime-gpu | nvidia-\S+)\s*([\[=<>!~;].*|\s+\S.*)?$
    | \+cu\d+ | /whl/cu\d+ | \[and-cuda\]
    """
)


def base_image(dependencies: Iterable[str], *, gpu: bool | None) -> str:
    """Choose between the images without and with CUDA.

    Args:
        dependencies: Conda specs and pip requirement lines.
        gpu: What the user says; None looks at the dependencies.
    """
    if gpu is None:
        gpu = any(_NEEDS_CUDA.search(line.strip()) for line in dependencies)
    return CUDA_IMAGE if gpu else CPU_IMAGE
