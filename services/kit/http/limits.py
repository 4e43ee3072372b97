"""Who a request is counted for."""

from fastapi import Request


def address_of(request: Request) -> str:
    """Whose attempts they are: the peer's address. What a client says of itself (X-Forwarded-For) does not count."""
    return request.client.host if request.client else "unknown"
