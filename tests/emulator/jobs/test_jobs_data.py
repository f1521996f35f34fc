"""What jobs read and write: every kind of place, every type, and the way of every mode."""

from __future__ import annotations

import http.server
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from mlflow_azureml_backend.emulator.jobs.read_only import bound_by_permissions
from mlflow_azureml_backend.emulator.jobs.storage import remove_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STORE = "azureml://datastores/workspaceblobstore/paths"

Bench = Any


@pytest.fixture
def data(bench: Bench) -> Bench:
    """Give an emulator with a file, a folder, a table, a model and assets of them."""
    container, key = bench.key.blob_container, bench.key.storage_key
    bench.add_blob(container, "in/file.csv", "file\n")
    bench.add_blob(container, "in/folder/x.csv", "x\n")
    bench.add_blob(container, "in/folder/sub/y.csv", "y\n")
    bench.add_blob(container, "in/table/MLTable", "paths: []\n")
    bench.add_blob(container, "in/model/MLmodel", "flavors: {}\n")
    bench.add_blob("azureml", "ExperimentRun/dcid.earlier/model/MLmodel", "logged\n")
    for version, folder in (("1", "gone"), ("2", "folder")):
        asset = {"dataUri": f"{STORE}/in/{folder}", "dataType": "uri_folder"}
        bench.state.put("data", key, "set", version, asset)
    model = {"modelUri": f"{STORE}/in/model", "modelType": "mlflow_model"}
    bench.state.put("model", key, "m", "3", model)
    output = {"jobOutputType": "uri_folder", "uri": f"{STORE}/in/folder"}
    bench.state.put(
        "job",
        key,
        "earlier",
        "",
        {"jobType": "Command", "status": "Completed", "outputs": {"named": output}},
    )
    return bench


@pytest.mark.parametrize("mode", ["ReadOnlyMount", "ReadWriteMount", "Download"])
@pytest.mark.parametrize(
    ("kind", "uri", "expected"),
    [
        ("uri_file", f"{STORE}/in/file.csv", "file\n"),
        ("uri_folder", f"{STORE}/in/folder", "y\nx\n"),
        ("uri_folder", "azureml:set:2", "y\nx\n"),
        ("uri_folder", "azureml:set@latest", "y\nx\n"),
        ("mltable", f"{STORE}/in/table/", "paths: []\n"),
        ("mlflow_model", "azureml:m:3", "flavors: {}\n"),
        ("mlflow_model", "azureml:m@latest", "flavors: {}\n"),
        ("mlflow_model", "runs:/earlier/model", "logged\n"),
        ("custom_model", f"{STORE}/in/model/MLmodel", "flavors: {}\n"),
        ("custom_model", f"{STORE}/in/model", "flavors: {}\n"),
        ("uri_folder", "azureml://jobs/earlier/outputs/named", "y\nx\n"),
        ("uri_file", "azureml://jobs/earlier/outputs/named/paths/x.csv", "x\n"),
        ("uri_folder", "azureml://jobs/earlier/outputs/artifacts/paths/model", "logged\n"),
    ],
)
def test_every_type_and_place_can_be_read(
    data: Bench, kind: str, uri: str, expected: str, mode: str
) -> None:
    given = {"a": {"jobInputType": kind, "uri": uri, "mode": mode}}

    status = data.run_to_end("find ${{inputs.a}} -type f | sort | xargs cat", inputs=given)

    assert status == "Completed", data.history()
    assert data.log() == expected


def test_asset_ids_of_the_workspace_lead_to_their_places(data: Bench) -> None:
    account = f"{data.key.storage_account}.blob.core.windows.net"
    ids = [
        f"{data.key.arm_id}/data/set/versions/2",
        f"azureml:{data.key.arm_id}/data/set/labels/latest",
        f"azureml://locations/eastus/workspaces/{data.key.guid}/data/set/versions/2",
        f"wasbs://{data.key.blob_container}@{account}/in/folder",
    ]
    given = {
        f"a{number}": {"jobInputType": "uri_folder", "uri": uri} for number, uri in enumerate(ids)
    }

    data.run_to_end("cat $AZURE_ML_INPUT_a{0,1,2,3}/x.csv", inputs=given)

    assert data.log() == "x\nx\nx\nx\n", data.history()


def test_a_direct_input_is_its_uri_and_nothing_is_read(data: Bench) -> None:
    uri = "azureml://datastores/nowhere/paths/gone"
    given = {"a": {"jobInputType": "uri_folder", "uri": uri, "mode": "Direct"}}

    assert data.run_to_end("echo ${{inputs.a}} $AZURE_ML_INPUT_a", inputs=given) == "Completed"

    assert data.log() == f"{uri} {uri}\n"


def _permissions_hold() -> bool:
    import os

    return os.geteuid() != 0 or len(bound_by_permissions(("true",))) > 1


@pytest.mark.skipif(
    not _permissions_hold(), reason="root writes to read-only files where setpriv cannot bind it"
)
def test_a_read_only_mount_cannot_be_written_to(data: Bench) -> None:
    given = {"a": {"jobInputType": "uri_folder", "uri": f"{STORE}/in/folder"}}
    command = (
        "cd ${{inputs.a}}; echo z > new.csv || echo no new file; echo z >> x.csv || echo no change;"
        " rm sub/y.csv || echo no removal; mkdir d || echo no folder; exit 0"
    )

    data.run_to_end(command, inputs=given)

    lines = (data.log() or "").splitlines()
    for refused in ("no new file", "no change", "no removal", "no folder"):
        assert refused in lines
    assert data.blob(data.key.blob_container, "in/folder/x.csv") == "x\n"
    folder = data.root / "jobs" / data.key.guid / "job"
    data.stop()
    assert not folder.exists()


def test_what_a_job_changes_in_a_download_stays_on_its_node(data: Bench) -> None:
    given = {"a": {"jobInputType": "uri_folder", "uri": f"{STORE}/in/folder", "mode": "Download"}}

    assert data.run_to_end("echo z >> ${{inputs.a}}/x.csv", inputs=given) == "Completed"

    assert data.blob(data.key.blob_container, "in/folder/x.csv") == "x\n"


def test_what_a_job_changes_in_a_mount_it_may_write_to_is_in_storage(data: Bench) -> None:
    mode = {"mode": "ReadWriteMount"}
    given = {
        "a": {"jobInputType": "uri_folder", "uri": f"{STORE}/in/folder", **mode},
        "f": {"jobInputType": "uri_file", "uri": f"{STORE}/in/file.csv", **mode},
    }
    untouched = data.blobs.info(
        data.key.storage_account, data.key.blob_container, "in/folder/sub/y.csv"
    )

    status = data.run_to_end(
        "echo z >> ${{inputs.a}}/x.csv; echo n > ${{inputs.a}}/new; echo more >> ${{inputs.f}}",
        inputs=given,
    )

    assert status == "Completed", data.history()
    read = partial(data.blob, data.key.blob_container)
    assert read("in/folder/x.csv") == "x\nz\n"
    assert read("in/folder/new") == "n\n"
    assert read("in/file.csv") == "file\nmore\n"
    same = data.blobs.info(data.key.storage_account, data.key.blob_container, "in/folder/sub/y.csv")
    assert same.etag == untouched.etag


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """Serve one public file."""
    folder = tmp_path / "public"
    folder.mkdir()
    (folder / "titanic.csv").write_text("a,b\n")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_public_file_is_downloaded(bench: Bench, web: str) -> None:
    given = {"a": {"jobInputType": "uri_file", "uri": f"{web}/titanic.csv"}}

    bench.run_to_end("basename ${{inputs.a}}; cat ${{inputs.a}}", inputs=given)

    assert bench.log() == "titanic.csv\na,b\n", bench.history()


def test_a_public_file_that_is_not_there_fails_the_job_with_the_server_s_answer(
    bench: Bench, web: str
) -> None:
    given = {"a": {"jobInputType": "uri_file", "uri": f"{web}/gone.csv"}}

    assert bench.run_to_end("true", inputs=given) == "Failed"

    assert "cannot be read: HTTP Error 404" in bench.error()


@pytest.mark.parametrize(
    ("kind", "uri", "mode", "expected"),
    [
        ("uri_folder", "azureml:set:9", None, "'azureml:set:9' does not exist."),
        ("uri_folder", "azureml:none@latest", None, "'azureml:none@latest' does not exist."),
        ("uri_folder", "azureml:set@oldest", None, "has the label 'oldest'; the one there is"),
        ("mlflow_model", "azureml:set:2", None, "'azureml:set:2' does not exist."),
        ("uri_folder", "azureml:set:1", None, "Data not found: container 'azureml-blobstore-"),
        ("mltable", f"{STORE}/in/folder", None, "there is no file 'MLTable' in"),
        ("uri_file", f"{STORE}/in/folder", None, "there is no file at"),
        ("custom_model", f"{STORE}/in/none", None, "there is no file or folder at"),
        ("uri_folder", "azureml://registries/r/data/d/versions/1", None, "is in a registry; the"),
        ("uri_folder", "azureml://jobs/gone/outputs/o", None, "names the job 'gone', which does"),
        ("uri_folder", "azureml://jobs/earlier/outputs/o", None, "it has: artifacts, named."),
        ("uri_folder", "http://example.org/a", None, "is of a kind the emulator does not support"),
        ("mltable", f"{STORE}/in/table", "EvalMount", "has the mode EvalMount, which is not"),
    ],
)
def test_data_that_cannot_be_had_fails_the_job_in_run_history_alone(
    data: Bench, kind: str, uri: str, mode: str | None, expected: str
) -> None:
    given = {"a": {"jobInputType": kind, "uri": uri, **({"mode": mode} if mode else {})}}

    assert data.run_to_end("echo never", inputs=given) == "Failed"

    assert expected in data.error()
    assert expected not in str(data.state.get("job", data.key.storage_key, "job").body)
    assert not data.log()


@pytest.mark.parametrize("mode", ["ReadWriteMount", "Upload"])
@pytest.mark.parametrize(
    ("kind", "registered"),
    [
        ("uri_file", "data"),
        ("uri_folder", "data"),
        ("mltable", "data"),
        ("mlflow_model", "model"),
        ("custom_model", "model"),
    ],
)
def test_every_type_of_output_lands_in_its_datastore_and_is_registered(
    bench: Bench, kind: str, registered: str, mode: str
) -> None:
    output = {"jobOutputType": kind, "mode": mode, "assetName": "made", "uri": f"{STORE}/out/o"}
    write = "> ${{outputs.o}}" if kind == "uri_file" else "> ${{outputs.o}}/MLTable"

    status = bench.run_to_end(f"echo made {write}", outputs={"o": output})

    assert status == "Completed", bench.history()
    path = "out/o" if kind == "uri_file" else "out/o/MLTable"
    assert bench.blob(bench.key.blob_container, path) == "made\n"
    asset = bench.state.get(registered, bench.key.storage_key, "made", "1")
    assert asset is not None
    place = asset.body["modelUri" if registered == "model" else "dataUri"].rstrip("/")
    assert place.endswith("/paths/out/o")
    assert asset.body["modelType" if registered == "model" else "dataType"] == kind


def test_the_output_of_one_job_is_the_input_of_the_next(bench: Bench) -> None:
    output = {"o": {"jobOutputType": "uri_folder"}}
    bench.run_to_end(
        "echo first > ${{outputs.o}}/f; mkdir outputs; echo art > outputs/a", "one", outputs=output
    )
    given = {
        "o": {"jobInputType": "uri_folder", "uri": "azureml://jobs/one/outputs/o"},
        "a": {
            "jobInputType": "uri_folder",
            "uri": "azureml://jobs/one/outputs/artifacts/paths/outputs/",
        },
    }

    bench.run_to_end("cat ${{inputs.o}}/f ${{inputs.a}}/a", "two", inputs=given)

    assert bench.log("two") == "first\nart\n", bench.history("two")


def test_a_folder_made_read_only_can_be_removed(tmp_path: Path) -> None:
    folder = tmp_path / "job" / "inputs"
    folder.mkdir(parents=True)
    (folder / "file").touch(mode=0o400)
    folder.chmod(0o500)

    remove_folder(tmp_path / "job")
    remove_folder(tmp_path / "job")

    assert not (tmp_path / "job").exists()
