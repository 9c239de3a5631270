"""Which network addresses a visitor may make this server reach."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit


class AddressError(Exception):
    """An address may not be reached; the message says why and what to do."""


def resolve(url: str, schemes: tuple[str, ...], allow_private: bool) -> tuple[str, int]:
    """The IP address and port that ``url`` leads to.

    Connect to that very address: a name could lead elsewhere when asked again.

    Args:
        schemes: those that are allowed, each with its usual port known to the system.
        allow_private: reach also this machine and its own network.

    Raises:
        AddressError: another scheme, no such host, or an address that is not public.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in schemes:
        raise AddressError(f"{scheme or 'no scheme'}: an address must begin with {_list(schemes)}")
    host = parts.hostname
    if not host:
        raise AddressError(f"the address names no host: give it as {schemes[0]}://HOST/...")
    try:
        port = parts.port or _PORTS[scheme]
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError, UnicodeError) as error:
        raise AddressError(f"the host {host} cannot be found: check the address") from error
    addresses = [str(each[4][0]) for each in found]
    if not allow_private:
        for address in addresses:
            if not _public(address):
                raise AddressError(
                    f"{host} leads into a private network: not allowed here "
                    "(whoever runs the server can allow it with --allow-private)"
                )
    return addresses[0], port


_PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}


def _public(address: str) -> bool:
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None and not inner.is_global:
            return False
    return ip.is_global and not ip.is_multicast


def _list(schemes: tuple[str, ...]) -> str:
    return " or ".join(f"{scheme}://" for scheme in schemes)
