"""How much one caller may ask in a minute, before others are served worse: by the address a request comes from, and by who signed in.

Counted in memory, a share per process. Nothing secret rests on it (`services.kit.http.guesses` counts that).
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import cast

from fastapi import Request
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from starlette.types import Scope

from services.kit import metrics
from services.kit.clock import record_now
from services.kit.http.problems import Problem
from services.kit.settings import KitSettings

_MOST_COUNTED = 1_000
"""The library walks over everybody it counts at every request: beyond so many all are counted anew."""


class Capacity:
    """Requests per minute of one address and of one caller, shared evenly by the API processes."""

    def __init__(self, service: str, settings: KitSettings) -> None:
        self._service, self._storage = service, MemoryStorage()
        self._limiter = FixedWindowRateLimiter(self._storage)
        whole = {"address": settings.requests_per_address, "caller": settings.requests_per_caller}
        self._limits = {whose: RateLimitItemPerMinute(max(1, limit // settings.api_processes)) for whose, limit in whole.items()}
        self._ahead = dict[tuple[str, str], int]()

    async def take(self, whose: str, key: str) -> None:
        """Note one request of this `address` or `caller`. Raises Problem (429, with Retry-After) above the limit."""
        ahead = self._ahead.get((whose, key), 0)
        if not ahead:
            ahead = await self._count(whose, key)
        self._ahead[whose, key] = ahead - 1

    async def _count(self, whose: str, key: str) -> int:
        """A thousandth of the limit is counted ahead, so that most requests need not ask the library. Returns how many; raises Problem."""
        limit = self._limits[whose]
        if max(len(self._storage.expirations), len(self._ahead)) > _MOST_COUNTED:
            await self._storage.reset()
            self._ahead.clear()
        several = max(1, limit.amount // 1_000)
        if several > 1 and await self._limiter.hit(limit, whose, key, cost=several):
            return several
        if not await self._limiter.hit(limit, whose, key):
            metrics.HTTP_REFUSED.labels(self._service, whose).inc()
            ends_at = (await self._limiter.get_window_stats(limit, whose, key)).reset_time
            raise Problem(429, headers={"retry-after": str(max(1, round(ends_at - record_now().timestamp())))})
        return 1


class Peers:
    """Who sent a request: the peer, or, where the peer is a proxy of ours, whom the last of our proxies names in X-Forwarded-For."""

    def __init__(self, proxies: str) -> None:
        """`proxies` are networks, comma separated. Raises ValueError where one is none."""
        self._proxies = tuple(ip_network(each.strip()) for each in proxies.split(",") if each.strip())

    def address(self, scope: Scope) -> str:
        """One IPv4 address, or the /64 network that a provider gives to one IPv6 customer; "unknown" where the peer has no address."""
        given = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for") if self._proxies else b""
        return _whose(scope["client"][0] if scope.get("client") else "", given.decode("ascii", "replace"), self._proxies)


@lru_cache(4_096)
def _whose(peer: str, forwarded: str, proxies: tuple[IPv4Network | IPv6Network, ...]) -> str:
    hops = [*forwarded.split(","), peer]
    nearest: IPv4Address | IPv6Address | None = None
    while hops and (nearest is None or any(nearest in network for network in proxies)):
        named = _address(hops.pop())
        if named is None:
            break
        nearest = named
    return _place(nearest) if nearest else "unknown"


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        read = ip_address(text.strip())
    except ValueError:
        return None
    return (read.ipv4_mapped or read) if isinstance(read, IPv6Address) else read


def _place(address: IPv4Address | IPv6Address) -> str:
    return str(address) if address.version == 4 else str(ip_network((int(address), 64), strict=False))


def address_of(request: Request) -> str:
    """Whose request it is, as `Peers` found it."""
    return cast(str, request.state.address)
