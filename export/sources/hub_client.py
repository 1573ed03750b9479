"""The two calls made to a model hub, and the one place that knows the hub's library.

Endpoint (`HF_ENDPOINT`), token (`HF_TOKEN` or a stored login), offline mode (`HF_HUB_OFFLINE`)
and time limits are the library's own settings. Works with huggingface_hub 0.34 and later, whose
transport errors come from three different HTTP libraries.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from huggingface_hub import HfApi, constants, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import build_hf_headers, disable_progress_bars

from export.errors import ExportError

_LISTING_TIMEOUT_S = 30.0
_SHA1 = re.compile(r"[0-9a-f]{40}")
_COMMIT = re.compile(r"[0-9a-f]{40,64}")

# The first base of the hub's HTTP error is its HTTP library's own: requests', httpx's or httpx2's.
_TRANSPORT_ERRORS: tuple[type[Exception], ...] = (OSError, HfHubHTTPError.__bases__[0])


class GatedError(ExportError):
    """The hub gives these files to those alone who accepted their licence."""


class HubUnreachableError(ExportError):
    """No answer from the hub: files fetched earlier may do."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository; `size` in bytes and the hashes are None where the hub is silent.

    It knows the sha256 of large files, and of small ones the name git gives them.
    """

    path: str
    size: int | None
    sha256: str | None
    git_sha1: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A repository at one commit."""

    commit: str
    files: tuple[HubFile, ...]
    license: str | None


@dataclass(frozen=True, slots=True)
class HubClient:
    """Talks to one hub; None for `endpoint` or `token` means the library's settings."""

    endpoint: str | None = None
    token: str | None = field(default=None, repr=False)

    def list_files(self, repo: str, revision: str | None) -> Listing:
        """What `repo` holds at `revision`, a branch, tag or commit; the main branch if None.

        Raises HubUnreachableError where there is no connection, else ExportError.
        """
        _turn_off_reporting()
        with _one_line_errors(repo, revision):
            info = HfApi(endpoint=self.endpoint, token=self.token).model_info(
                repo, revision=revision, files_metadata=True, timeout=_LISTING_TIMEOUT_S
            )
        files = tuple(
            HubFile(
                entry.rfilename,
                entry.size,
                entry.lfs.sha256 if entry.lfs else None,
                entry.blob_id if _is_of_content(entry) else None,
            )
            for entry in info.siblings or ()
        )
        # It becomes the name of a folder, so it has to be what it should be.
        if info.sha is None or not _COMMIT.fullmatch(info.sha):
            raise ExportError(f"the hub does not say which commit {repo} is at")
        card = info.card_data.to_dict() if info.card_data else {}
        license_name = card.get("license_name") or card.get("license")
        return Listing(info.sha, files, license_name if isinstance(license_name, str) else None)

    def download(self, repo: str, commit: str, file: HubFile, partial: Path) -> None:
        """Downloads a file to `partial`, going on behind the bytes that are there already.

        The bytes stay there when the connection breaks. Raises as `list_files` does.
        """
        _turn_off_reporting()
        url = hf_hub_url(repo, file.path, revision=commit, endpoint=self.endpoint)
        headers = build_hf_headers(token=self.token) | {"Accept-Encoding": "identity"}
        with _one_line_errors(repo, commit), partial.open("ab") as output:
            if file.size is None or output.tell() > file.size:
                output.truncate(0)
            while not self._try_download(url, headers, file.size, output):
                pass

    def _try_download(
        self, url: str, headers: dict[str, str], size: int | None, output: BinaryIO
    ) -> bool:
        """Whether the file is complete; False after a cut that came behind new bytes."""
        start = output.seek(0, 2)
        try:
            http_get(url, output, resume_size=start, headers=headers, expected_size=size)
        except _TRANSPORT_ERRORS as error:
            output.flush()
            is_final = isinstance(error, HfHubHTTPError) or _is_local(error)
            if is_final or size is None or not start < output.tell() < size:
                raise
            return False
        return True


def _is_of_content(entry: RepoSibling) -> bool:
    """Of a large file git knows a pointer, whose name says nothing of the content."""
    return entry.lfs is None and _SHA1.fullmatch(entry.blob_id or "") is not None


def _turn_off_reporting() -> None:
    # The library reads this from the environment once, when it is first imported, which may
    # have been before us; without it, it tells the hub what else is installed here.
    constants.HF_HUB_DISABLE_TELEMETRY = True
    disable_progress_bars()


@contextmanager
def _one_line_errors(repo: str, revision: str | None) -> Iterator[None]:
    try:
        yield
    except HFValidationError as error:
        raise ExportError(f"{repo} is not a name a repository can have") from error
    except GatedRepoError as error:
        raise GatedError(
            f"{repo} is gated: accept its licence at hf.co/{repo}, then set HF_TOKEN to a token "
            "of that account (or run `hf auth login`)"
        ) from error
    except RepositoryNotFoundError as error:
        raise ExportError(
            f"there is no repository {repo}, or it is private: check the name, or set HF_TOKEN"
        ) from error
    except RevisionNotFoundError as error:
        raise ExportError(f"{repo} has no revision {revision}") from error
    except EntryNotFoundError as error:
        raise ExportError(f"{repo} has lost a file at {revision}: run the export again") from error
    except OfflineModeIsEnabled as error:
        raise HubUnreachableError(
            f"{repo} is not here and HF_HUB_OFFLINE forbids to fetch it"
        ) from error
    except HfHubHTTPError as error:
        raise _refused(repo, error) from error
    except ValueError as error:
        raise ExportError(
            f"what answers for {repo} does not speak as a hub does: check HF_ENDPOINT "
            f"({_first_line(error)})"
        ) from error
    except _TRANSPORT_ERRORS as error:
        raise _broken(repo, error) from error


def _refused(repo: str, error: HfHubHTTPError) -> ExportError:
    status = error.response.status_code if error.response is not None else None
    if status == 401:
        return ExportError(f"the hub refuses the token for {repo}: check HF_TOKEN")
    if status == 403:
        return ExportError(f"the token may not read {repo}: check HF_TOKEN's permissions")
    if status == 429:
        return ExportError("the hub asks to slow down: try again in some minutes, or set HF_TOKEN")
    if status is not None and status >= 500:
        return HubUnreachableError(f"the hub fails with status {status}: try again later")
    return ExportError(f"the hub answers for {repo} with status {status}")


def _broken(repo: str, error: Exception) -> ExportError:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ExportError(f"the disk is full: make room for {repo} and run the export again")
    if isinstance(error, OSError) and _is_local(error):
        return ExportError(f"cannot write {error.filename}: {error.strerror}")
    return HubUnreachableError(
        f"no connection to the hub for {repo}: check the network and run the export again, "
        f"a cut download goes on where it stopped ({_first_line(error)})"
    )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _is_local(error: Exception) -> bool:
    """Whether the error is about a file of this machine and not about the connection."""
    return isinstance(error, OSError) and (
        error.filename is not None or error.errno in (errno.ENOSPC, errno.EDQUOT)
    )
