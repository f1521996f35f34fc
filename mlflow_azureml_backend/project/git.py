"""Lineage: which commit of which repository a folder is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlflow_azureml_backend.project.spec import GitSource

if TYPE_CHECKING:
    from pathlib import Path

_CREDENTIALS = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^/?#\s]+@", re.IGNORECASE)


def without_credentials(text: str) -> str:
    """Remove `user:secret@` from every URL in a text.

    Args:
        text: A URL, or a message that may quote one.
    """
    return _CREDENTIALS.sub(r"\g<scheme>", text)


def git_source(root: Path) -> GitSource | None:
    """Read a folder's git lineage, or None where there is no repository, commit or git.

    Args:
        root: The project's folder; its repository may begin further up.
    """
    if not any((folder / ".git").exists() for folder in (root, *root.resolve().parents)):
        return None  # to import GitPython takes longer than everything else that is read
    try:
        import git
    except ImportError:  # GitPython raises it when the git executable is missing
        return None
    try:
        repo = git.Repo(root, search_parent_directories=True)
        url = next(iter(repo.remotes["origin"].urls), None) if "origin" in repo.remotes else None
        return GitSource(
            commit=repo.head.commit.hexsha,
            repo_url=without_credentials(url) if url else None,
            branch=None if repo.head.is_detached else repo.active_branch.name,
            dirty=repo.is_dirty(path=str(root)),
        )
    except (git.GitError, ValueError, OSError):  # ValueError: a repository without a commit
        return None
