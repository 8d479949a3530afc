"""``forecaster healthcheck``: ask a running service how it is. Needs no curl in the image."""

from __future__ import annotations

from argparse import Namespace
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from forecaster.errors import BadInput

PATIENCE_S = 3.0
LONGEST = 500
"""Characters of an answer worth a line in the log of a container engine."""


def run(arguments: Namespace) -> int:
    """Print one line; 0 when the service is well, 1 when it is not or does not answer."""
    well, line = ask(health_url(arguments.url))
    print(line)
    return 0 if well else 1


def health_url(url: str) -> str:
    """The address asked: ``/healthz`` unless a path is given.

    Raises
    ------
    BadInput
        Not an HTTP address.

    Examples
    --------
    >>> health_url("http://127.0.0.1:8080")
    'http://127.0.0.1:8080/healthz'
    >>> health_url("http://127.0.0.1:8080/readyz")
    'http://127.0.0.1:8080/readyz'
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise BadInput(f"{url!r} is no HTTP address; expected something like http://127.0.0.1:8080")
    return url if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}/healthz"


def ask(url: str) -> tuple[bool, str]:
    """Whether the answer was 2xx, and a line that says what it was."""
    try:
        with urlopen(url, timeout=PATIENCE_S) as answer:
            return True, f"{answer.status} {_line(answer.read(LONGEST))}"
    except HTTPError as error:
        with error:
            return False, f"{error.code} {_line(error.read(LONGEST)) or error.reason}"
    except URLError as error:
        return False, f"no answer from {url}: {error.reason}"
    except (OSError, HTTPException) as error:  # while the answer was being read
        return False, f"no answer from {url}: {error or type(error).__name__}"


def _line(body: bytes) -> str:
    return " ".join(body.decode("utf-8", "replace").split())
