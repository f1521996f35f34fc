"""Secret variables: the job carries where they are, and reads them when it starts.

A job's definition can be read by everybody who can read the workspace, so a secret is never part
of it. What the command does first needs nothing but Python's standard library.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mlflow_azureml_backend.config.variables import SECRETS, key_vault_reference
from mlflow_azureml_backend.translate.command import shell_quote
from mlflow_azureml_backend.translate.plugin_install import PYTHON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.job import SecretVariable

_UNKNOWN_VAULT = "WORKSPACE-KEY-VAULT"

_SCRIPT = """\
import json, os, shlex, sys, time
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener
def ask(url, headers, direct=False):
    opener = build_opener(ProxyHandler({})) if direct else build_opener()
    for wait in (1, 2, 4, 8, None):
        try:
            return json.loads(opener.open(Request(url, headers=headers), timeout=30).read())
        except HTTPError as error:
            if wait is None or error.code not in (408, 429) and error.code < 500:
                text = error.read(2000).decode("utf-8", "replace")
                try:
                    text = json.loads(text)["error"]["message"]
                except (ValueError, KeyError, TypeError):
                    pass
                sys.exit("%s: %s %s" % (url.partition("?")[0], error.code, text))
        except (URLError, OSError) as error:
            if wait is None:
                sys.exit("%s: %s" % (url.partition("?")[0], error))
        time.sleep(wait)
def token():
    asked = {"resource": "https://vault.azure.net"}
    place, headers = os.environ.get("OBO_ENDPOINT"), {}
    if not place and os.environ.get("MSI_ENDPOINT"):
        place, headers = os.environ["MSI_ENDPOINT"], {"secret": os.environ.get("MSI_SECRET", "")}
        asked["api-version"] = "2017-09-01"
        if os.environ.get("DEFAULT_IDENTITY_CLIENT_ID"):
            asked["clientid"] = os.environ["DEFAULT_IDENTITY_CLIENT_ID"]
    elif not place:
        place = "http://169.254.169.254/metadata/identity/oauth2/token"
        headers = {"Metadata": "true"}
        asked["api-version"] = "2018-02-01"
    url = place + ("&" if "?" in place else "?") + urlencode(asked)
    return ask(url, headers, direct=True)["access_token"]
headers = {"Authorization": "Bearer " + token()}
for name, url in json.loads(os.environ["MLFLOW_AZUREML_SECRETS"]).items():
    value = ask(url + "?api-version=7.4", headers)["value"]
    print("export %s=%s" % (name, shlex.quote(value)))
"""


def with_secrets(command: str) -> str:
    """Give a command that reads the secret variables before another one runs.

    Args:
        command: The job's command.
    """
    return (
        f"secrets=$({PYTHON} -c {shell_quote(_SCRIPT)}) || "
        "{ echo 'The secret variables cannot be read from their Key Vault; the identity of the "
        "job needs the role Key Vault Secrets User there' >&2; exit 1; }\n"
        'eval "$secrets"; unset secrets\n'
        f"{command}"
    )


def references(
    variables: Mapping[str, SecretVariable],
    *,
    vault: str | None = None,
    stored: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Give the variables that tell the job where its secrets are.

    Args:
        variables: The secret variables.
        vault: The workspace's Key Vault; None when the workspace was not asked.
        stored: Variable -> URL of what the client put into the vault.
    """
    if not variables:
        return {}
    urls = {
        name: (stored or {}).get(name) or _url(name, variable, vault)
        for name, variable in variables.items()
    }
    return {SECRETS: json.dumps(urls)}


def _url(name: str, variable: SecretVariable, vault: str | None) -> str:
    where, secret = vault, f"JOB-{name.replace('_', '-')}"
    if variable.reference is not None:
        named, secret = key_vault_reference(variable.reference)
        where = named or vault
    return f"https://{where or _UNKNOWN_VAULT}.vault.azure.net/secrets/{secret}"
