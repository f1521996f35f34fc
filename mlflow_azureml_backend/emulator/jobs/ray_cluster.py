"""A Ray cluster of the nodes of one job: what the head does first, and what the others do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def head_preamble(port: int, options: Mapping[str, Any]) -> str:
    """Give what bash does on the head before the job's command: start Ray, if there is any.

    Args:
        port: where the head listens.
        options: the distribution as the job says it.
    """
    words = ["ray start --head --node-ip-address=127.0.0.1", f"--port={port}"]
    if (dashboard := options.get("includeDashboard")) is not None:
        words.append(f"--include-dashboard={str(bool(dashboard)).lower()}")
    if dashboard_port := options.get("dashboardPort"):
        words.append(f"--dashboard-port={int(dashboard_port)}")
    words.append(str(options.get("headNodeAdditionalArgs") or ""))
    start = " ".join(word for word in words if word)
    # In one line with the job's command, so that bash counts that one's lines right.
    return f"if command -v ray > /dev/null; then {start} || exit $?; fi; "


def worker_command(address: str, options: Mapping[str, Any]) -> str:
    """Give what every other node runs: it joins the head, and stays until it is ended.

    Without Ray in the environment there is nothing to join: the node says so, and is done.

    Args:
        address: of the head, with its port.
        options: the distribution as the job says it.
    """
    host, _, port = address.rpartition(":")
    more = str(options.get("workerNodeAdditionalArgs") or "")
    return (
        "command -v ray > /dev/null || "
        "{ echo 'Ray is not installed in the environment: this node does nothing.'; exit 0; }\n"
        f"for try in $(seq 120); do (exec 3<> /dev/tcp/{host}/{port}) 2> /dev/null && break; "
        "sleep 0.5; done\n"
        f"exec ray start --address={address} --block {more}"
    )
