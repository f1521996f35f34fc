"""Lineage names the commit of the project's own repository, without anybody's credentials."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_azureml_backend.project.git import git_source, without_credentials


@pytest.fixture
def repository(write, git):
    """A repository on a branch, with one commit and a project in a subfolder."""
    root = write({"README": "x", "train/MLproject": "name: p"})
    git(root, "init", "-q", "-b", "trunk")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    return root


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("https://user:token@h/r.git", "https://h/r.git"),
        ("https://token@h/r.git", "https://h/r.git"),
        ("https://user:p@ss@h/r.git", "https://h/r.git"),
        ("https://:token@h:8443/r", "https://h:8443/r"),
        ("ssh://git@h/r.git", "ssh://h/r.git"),
        ("git+https://user:token@h/r", "git+https://h/r"),
        ("HTTPS://user:token@h/r", "HTTPS://h/r"),
        ("https://h/r.git", "https://h/r.git"),
        ("https://h/a@b/r.git", "https://h/a@b/r.git"),
        ("https://h/?mail=a@b", "https://h/?mail=a@b"),
        ("https://h?mail=a@b", "https://h?mail=a@b"),
        ("git@github.com:team/repo.git", "git@github.com:team/repo.git"),
        ("/local/a@b", "/local/a@b"),
        ("", ""),
        (
            "could not read https://a:b@h/x, nor 'https://c:d@h/y' (a@b)",
            "could not read https://h/x, nor 'https://h/y' (a@b)",
        ),
    ],
)
def test_credentials_are_removed_from_every_url(text, clean):
    assert without_credentials(text) == clean


@given(
    st.text(alphabet="abZ09-._~%!$&'()*+,;=:@", min_size=1, max_size=12),
    st.sampled_from(["https", "http", "ssh", "git+https"]),
)
def test_nothing_before_the_host_stays(secret, scheme):
    assert without_credentials(f"{scheme}://{secret}@host/repo") == f"{scheme}://host/repo"


def test_a_folder_outside_git_has_no_lineage(tmp_path):
    assert git_source(tmp_path) is None


def test_a_repository_without_a_commit_has_no_lineage(tmp_path, git):
    git(tmp_path, "init", "-q")
    assert git_source(tmp_path) is None


@pytest.mark.parametrize("folder", [".", "train"])
def test_commit_and_branch_are_those_of_the_repository_around(repository, git, folder):
    source = git_source((repository / folder).resolve())
    assert source.commit == git(repository, "rev-parse", "HEAD")
    assert source.branch == "trunk"
    assert source.repo_url is None
    assert not source.dirty


def test_a_detached_checkout_has_no_branch(repository, git):
    git(repository, "checkout", "-q", "--detach")
    assert git_source(repository).branch is None


def test_the_url_is_origins_without_its_credentials(repository, git):
    git(repository, "remote", "add", "fork", "https://h/fork")
    assert git_source(repository).repo_url is None
    git(repository, "remote", "add", "origin", "https://me:token@h/team/repo.git")
    assert git_source(repository).repo_url == "https://h/team/repo.git"


@pytest.mark.parametrize(
    ("file", "dirty"), [("train/MLproject", True), ("README", False), ("train/untracked", False)]
)
@pytest.mark.parametrize("staged", [False, True])
def test_only_changed_tracked_files_of_the_project_make_it_dirty(
    repository, git, file, dirty, staged
):
    (repository / file).write_text("changed")
    if staged and not file.endswith("untracked"):
        git(repository, "add", file)
    assert git_source(repository / "train").dirty is dirty


def test_a_deleted_file_makes_the_project_dirty(repository):
    (repository / "train" / "MLproject").unlink()
    assert git_source(repository / "train").dirty


def test_a_broken_repository_has_no_lineage(repository):
    (repository / ".git" / "HEAD").write_text("nonsense")
    assert git_source(repository) is None


def test_the_lineage_is_the_projects_and_not_the_working_directorys(
    repository, tmp_path, monkeypatch
):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(repository)
    assert git_source(elsewhere) is None


def test_a_project_carries_its_lineage(repository, git, write, read):
    write({"train/MLproject": "entry_points: {main: {command: c}}"})
    source = read(repository / "train").git
    assert source.commit == git(repository, "rev-parse", "HEAD")
    assert source.dirty
