"""VM sizes: what the region has, a few of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.routes.management import LOCATION
from mlflow_azureml_backend.emulator.routing import Route, json_response

if TYPE_CHECKING:
    from starlette.responses import Response

    from mlflow_azureml_backend.emulator.routing import Call

# name, family, vCPUs, GPUs, memory in GB, disk in MB
_SIZES: Final = (
    ("Standard_DS2_v2", "standardDSv2Family", 2, 0, 7.0, 14336),
    ("Standard_DS3_v2", "standardDSv2Family", 4, 0, 14.0, 28672),
    ("Standard_DS11_v2", "standardDSv2Family", 2, 0, 14.0, 28672),
    ("Standard_D2_v2", "standardDv2Family", 2, 0, 7.0, 102400),
    ("Standard_D4s_v3", "standardDSv3Family", 4, 0, 16.0, 32768),
    ("Standard_E4s_v3", "standardESv3Family", 4, 0, 32.0, 65536),
    ("Standard_F4s_v2", "standardFSv2Family", 4, 0, 8.0, 32768),
    ("Standard_NC4as_T4_v3", "Standard NCASv3_T4 Family", 4, 1, 28.0, 180224),
    ("Standard_NC6s_v3", "standardNCSv3Family", 6, 1, 112.0, 344064),
    ("Standard_NC24ads_A100_v4", "StandardNCADSA100v4Family", 24, 1, 220.0, 65536),
    ("Standard_ND40rs_v2", "standardNDv2Family", 40, 8, 672.0, 2883584),
)


def _list(call: Call) -> Response:
    del call
    return json_response(
        {
            "value": [
                {
                    "name": name,
                    "family": family,
                    "vCPUs": cores,
                    "gpus": gpus,
                    "osVhdSizeMB": 1047552,
                    "maxResourceVolumeMB": disk,
                    "memoryGB": memory,
                    "lowPriorityCapable": True,
                    "premiumIO": "s" in name.partition("_")[2],
                    "supportedComputeTypes": ["AmlCompute", "ComputeInstance"],
                }
                for name, family, cores, gpus, memory, disk in _SIZES
            ]
        }
    )


ROUTES: Final = (Route(service="arm", method="GET", path=f"{LOCATION}/vmSizes", handle=_list),)
