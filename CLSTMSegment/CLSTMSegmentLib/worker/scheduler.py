"""A Dask scheduler: its address, how the connection to it is protected, and the connection."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..core.errors import InputError

if TYPE_CHECKING:
    from distributed import Client, Security


@dataclass(frozen=True)
class TlsFiles:
    """The PEM files with which a Dask scheduler and this computer prove to each other who they are.

    Attributes:
        authority: the certificate that signed those of the cluster.
        certificate, key: those of this computer.
    """

    authority: Path
    certificate: Path
    key: Path

    def check(self) -> None:
        """Raise an InputError if one of the files does not exist."""
        for path in (self.authority, self.certificate, self.key):
            if not path.is_file():
                raise InputError(f"{path}: no such file, which should be a certificate or a key")


@dataclass(frozen=True)
class Scheduler:
    """A Dask scheduler.

    Attributes:
        address: its address, such as tls://name:8786.
        tls: for a scheduler that asks for certificates; None for what Dask's own configuration says.
        patience_s: seconds within which it must answer.
    """

    address: str
    tls: TlsFiles | None = None
    patience_s: float = 20

    @property
    def warning(self) -> str | None:
        """Return what the user must know about a scheduler that is not protected by TLS; None for one that is."""
        if self.address.startswith("tls://"):
            return None
        return (
            f"{self.address} is not protected by TLS: everybody who reaches it can run code as the users who started "
            "it and its workers"
        )

    def check_for_images(self) -> None:
        """Raise an InputError if images that are sent to this scheduler could be read on their way.

        To this computer itself, they may go without TLS, because another program may carry them on, such as `ssh -L`.
        """
        try:
            place = urlsplit(self.address if "://" in self.address else f"tcp://{self.address}")
            host, port = place.hostname, place.port
        except ValueError:
            host = port = None
        if not host or port is None:
            raise InputError(f"{self.address!r} is no address of a Dask scheduler: give one such as tls://name:8786")
        if self.warning is not None and not _is_this_computer(host):
            raise InputError(f"{self.warning}, and can read the images: use an address that begins with tls://")
        if self.tls is not None:
            self.tls.check()

    def to_json(self) -> str:
        """Return the scheduler as JSON."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Scheduler:
        """Return the scheduler that `to_json` wrote."""
        content = json.loads(text)
        if content["tls"] is not None:
            content["tls"] = TlsFiles(**{name: Path(path) for name, path in content["tls"].items()})
        return cls(**content)


def _is_this_computer(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


@contextmanager
def connected(scheduler: Scheduler) -> Iterator[Client]:
    """Yield a client of a scheduler.

    Raises:
        InputError: nobody answers there, the certificates cannot be used, or Dask is not installed.
    """
    try:
        # Dask is needed for clusters alone, and not installed everywhere
        from distributed import Client
    except ImportError as error:
        raise InputError("a cluster needs Dask: pip install distributed") from error
    security = _security(scheduler.tls)
    try:
        client = Client(scheduler.address, timeout=scheduler.patience_s, security=security)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"no Dask scheduler answers at {scheduler.address} ({error})") from error
    with client:
        yield client


def _security(tls: TlsFiles | None) -> Security | None:
    from distributed import Security

    if tls is None:
        return None
    tls.check()
    return Security(
        require_encryption=True,
        tls_ca_file=str(tls.authority),
        tls_client_cert=str(tls.certificate),
        tls_client_key=str(tls.key),
    )
