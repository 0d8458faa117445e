"""Download a dataset from the hub into the cache, at a pinned revision, with every file verified."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from lyricsep.datasets.catalog import DatasetSpec, find_dataset
from lyricsep.datasets.record import (
    RECORD,
    FileRecord,
    PullRecord,
    hash_file,
    pulled_folder,
    read_record,
    write_record,
)
from lyricsep.datasets.tables import DatasetFolder, DatasetRecord
from lyricsep.errors import ConfigError, DatasetError
from lyricsep.files import check_writable, shown

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

N_CONNECTIONS = 4

_COMMIT = re.compile("[0-9a-f]{7,40}")


def is_pulled(name: str) -> bool:
    """Return whether a dataset of the catalogue was pulled completely; its files are not checked.

    Raises
    ------
    DatasetError
        If the record of the pull is damaged.
    """
    return read_record(pulled_folder(name)) is not None


def pull(name: str, *, revision: str | None = None, offline: bool = False, endpoint: str | None = None) -> Path:
    """Return the folder of a dataset; pull it from the hub if it is not in the cache.

    The hash of every file is compared with the hub's. The record ``lyricsep-dataset.json`` is written last, so an
    interrupted pull has none; pulling again resumes with the missing files.

    Parameters
    ----------
    name : str
        Name of a dataset of the catalogue.
    revision : str, optional
        A branch, a tag, or a commit, possibly abbreviated to 7 digits or more; default: the revision in the
        catalogue.
    offline : bool
        Make no network requests; also set by ``LYRICSEP_OFFLINE=1`` in the environment.
    endpoint : str, optional
        URL of the hub; default: ``HF_ENDPOINT``, else the public hub.

    Returns
    -------
    Path
        Absolute.

    Raises
    ------
    ConfigError
        If there is no such dataset, or the client of the hub is not installed.
    DatasetError
        If it cannot be pulled: no network, no such repository or revision, no permission, damaged files. Or if the
        catalogue's revision has moved to another commit since the last pull.
    OutputError
        If the cache cannot be written.
    """
    spec = find_dataset(name)
    if spec.repository is None:
        raise DatasetError(f"{name}: cannot be pulled: {spec.access}")
    asked = revision or spec.revision or "main"
    folder = pulled_folder(name)
    record = read_record(folder)
    offline = offline or os.environ.get("LYRICSEP_OFFLINE", "") not in ("", "0")
    # A commit never changes, so the hub need not be asked.
    is_commit = _COMMIT.fullmatch(asked) is not None
    if record and (offline or is_commit) and _is_of(record, asked) and _is_whole(folder, record):
        return folder
    if offline:
        raise DatasetError(
            f"{name}: {asked} is not in the cache, and network access is off (offline mode); pull it while online"
        )
    api = _client(endpoint)
    with _hub_errors(spec, asked):
        commit = _resolve(api, spec.repository, asked)
    if record and revision is None and record.asked == asked and record.commit != commit:
        raise DatasetError(
            f"{name}: {asked} was commit {record.commit[:12]} when it was pulled, and is {commit[:12]} now",
            hint="keep the pulled copy, or set {revision} to the new commit",
        )
    if record and record.commit == commit and _is_whole(folder, record):
        return folder
    with _hub_errors(spec, asked):
        expected = _listed(api, spec.repository, commit, folder)
    check_writable(folder)
    (folder / RECORD).unlink(missing_ok=True)
    with _hub_errors(spec, asked):
        _download(spec.repository, commit, folder, endpoint)
    files = {path: _checked(folder, file) for path, file in expected.items()}
    # Remove files that only the older commit had; they would be read as part of the dataset.
    for path in set(record.files if record else ()) - set(files):
        (folder / path).unlink(missing_ok=True)
    write_record(folder, PullRecord(name, spec.repository, asked, commit, files))
    return folder


def _client(endpoint: str | None) -> HfApi:
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise ConfigError("pulling needs the client of the hub; pip install 'lyricsep[benchmark]'") from error
    return HfApi(endpoint=endpoint, library_name="lyricsep")


def _resolve(api: HfApi, repository: str, revision: str) -> str:
    """Return the commit of a revision; an abbreviated one is searched among all commits."""
    from huggingface_hub.errors import RevisionNotFoundError

    if re.fullmatch("[0-9a-f]{40}", revision):
        return revision
    try:
        commit = api.dataset_info(repository, revision=revision).sha
    except RevisionNotFoundError:
        if not _COMMIT.fullmatch(revision):
            raise
        commits = {commit.commit_id for commit in api.list_repo_commits(repository, repo_type="dataset")}
        matches = [commit for commit in commits if commit.startswith(revision)]
        if len(matches) != 1:
            raise
        commit = matches[0]
    if not commit or not re.fullmatch("[0-9a-f]{40}", commit):
        raise ValueError(f"it returned {commit!r} for a commit")
    return commit


def _listed(api: HfApi, repository: str, commit: str, folder: Path) -> Mapping[str, RepoFile]:
    """Return the files of a commit by path, after checking that all paths are inside the folder."""
    from huggingface_hub.hf_api import RepoFile

    tree = api.list_repo_tree(repository, recursive=True, revision=commit, repo_type="dataset")
    files = {file.path: file for file in tree if isinstance(file, RepoFile)}
    listing = DatasetRecord(dict.fromkeys(files, ""), folder / RECORD)
    inside = DatasetFolder(folder)
    for path in files:
        inside.locate(path, listing, path)
    return files


def _download(repository: str, commit: str, folder: Path, endpoint: str | None) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download(
        repository,
        repo_type="dataset",
        revision=commit,
        local_dir=folder,
        endpoint=endpoint,
        library_name="lyricsep",
        max_workers=N_CONNECTIONS,
    )


def _checked(folder: Path, expected: RepoFile) -> FileRecord:
    """Return the hash of a file after comparing it with the hub's: sha256 of large files, git's hash of others."""
    path = folder / expected.path
    found = hash_file(path)
    if expected.lfs is not None:
        is_right = found == FileRecord(expected.lfs.sha256, expected.lfs.size)
    else:
        content = path.read_bytes()
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        is_right = blob == expected.blob_id
    if not is_right:
        path.unlink()
        raise DatasetError(f"{shown(path)}: was damaged during the download and has been removed; pull again")
    return found


def _is_of(record: PullRecord, asked: str) -> bool:
    return record.asked == asked or (_COMMIT.fullmatch(asked) is not None and record.commit.startswith(asked))


def _is_whole(folder: Path, record: PullRecord) -> bool:
    """Return whether all files exist with the right sizes; `verify` also checks their content."""
    paths = {folder / name: file.size for name, file in record.files.items()}
    return all(path.is_file() and path.stat().st_size == size for path, size in paths.items())


@contextmanager
def _hub_errors(spec: DatasetSpec, revision: str) -> Iterator[None]:
    """Convert exceptions of the hub's client to a `DatasetError`."""
    from huggingface_hub.errors import HfHubHTTPError

    # Base class of all connection errors: some versions of the client use requests, others httpx.
    connection_error = cast("type[Exception]", HfHubHTTPError.__bases__[0])
    try:
        yield
    # The client also raises errors of sockets, disks and unexpected answers.
    except (connection_error, OSError, ValueError, LookupError, TypeError, AssertionError) as error:
        message, hint = _reason(spec, revision, error)
        raise DatasetError(f"{spec.name}: {message}", hint=hint) from error


def _reason(spec: DatasetSpec, revision: str, error: BaseException) -> tuple[str, str]:
    """Return what failed, and what to try next."""
    status = _status(error)
    if status in (401, 403):
        return (
            f"the hub restricts access to {spec.repository}, or has no such dataset ({status})",
            "request access on its page, and set HF_TOKEN",
        )
    if status == 404:
        return f"the hub has no {spec.repository} at {revision} (404)", "check {revision} and HF_ENDPOINT"
    if isinstance(error, OSError) and error.errno and status is None and error.filename:
        path = shown(Path(str(error.filename)))
        return f"{path} cannot be written ({error.strerror})", "free some space, or set LYRICSEP_CACHE"
    what = f"answered {status}" if status else (str(error).splitlines() or [""])[0][:120] or type(error).__name__
    return (
        f"{spec.repository} could not be downloaded ({what})",
        "try again with a working network, or name a folder that holds the dataset",
    )


def _status(error: BaseException | None) -> int | None:
    """Return the HTTP status of an error or of its causes, or None."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(status, int):
            return status
        error = error.__cause__ or error.__context__
    return None
