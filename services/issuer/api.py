"""Signing in: the keys, tokens for those who know a secret, and what an administrator does with badges and clients."""

import asyncio
import secrets
from typing import Annotated, Literal, Self, cast

from fastapi import Path, Query, Request
from pydantic import Field, model_validator
from starlette.responses import Response

from services.issuer import queries
from services.issuer.domain import Grant, Staff, Storefront, change_staff, change_storefront
from services.issuer.hashing import Hashing
from services.issuer.store import Store
from services.kit import tokens
from services.kit.clock import record_now
from services.kit.database import Database
from services.kit.http import Caller, Guesses, PageSize, Parsed, Problem, Routes, ShortText, Strict, address_of, answer, cause_of, operation
from services.kit.http.routing import Access
from services.kit.settings import KitSettings
from services.kit.values import NotFound

_ADMIN: Access = {"admin": "all"}
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_SECRET_LIMIT = 128

_of_whom = Guesses("sign-in", 5, 900, "Too many tries for this badge or client: wait as long as Retry-After says, or ask an administrator.")
_from_where = Guesses("sign-in address", 600, 900)

Name = Annotated[str, Path(pattern=_NAME)]
After = Annotated[str, Query(max_length=64)]


class TokenBody(Strict):
    """Who asks for a token: a storefront with its secret, or a person with their PIN."""

    grant_type: Literal["client_credentials", "badge"]
    client_id: ShortText | None = None
    client_secret: Annotated[str, Field(max_length=_SECRET_LIMIT)] | None = None
    badge: ShortText | None = None
    pin: Annotated[str, Field(max_length=_SECRET_LIMIT)] | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        person = self.grant_type == "badge"
        given, other = ((self.badge, self.pin), (self.client_id, self.client_secret))[:: 1 if person else -1]
        if None in given or other != (None, None):
            raise ValueError("send badge and pin, or client_id and client_secret, as grant_type says")
        return self

    @property
    def who(self) -> str:
        return cast(str, self.badge or self.client_id)

    @property
    def secret(self) -> str:
        return cast(str, self.pin if self.grant_type == "badge" else self.client_secret)


class StaffBody(Strict):
    """A badge and what it may."""

    name: ShortText
    role: Literal["picker", "loader", "driver", "care", "planner", "admin"]
    site: Annotated[str, Field(pattern="^[A-Z0-9]{1,16}$")] | None = None
    active: bool = True


class PinBody(Strict):
    pin: Annotated[str, Field(pattern="^[0-9]{6,12}$")]


class StorefrontBody(Strict):
    """A client, and the channel whose orders it sends."""

    channel: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,31}$")]
    active: bool = True


class RevocationBody(Strict):
    """Whose tokens of before now are not to be taken any more: a badge, a client, a customer's id."""

    subject: ShortText


router = Routes()


@router.get("/.well-known/jwks.json", **operation(access="public"))
async def get_keys(request: Request) -> Response:
    """The keys of the folder's file, so that whoever reads the file and whoever asks here know the same."""
    settings = settings_of(request)
    tokens.signing_key(settings.var / "keys")
    return Response(settings.jwks_path.read_bytes(), media_type="application/json")


@router.post("/oauth/token", **operation(access="public", body=TokenBody, answers={200: "A token."}))
async def post_token(request: Request, body: Annotated[TokenBody, Parsed(TokenBody)]) -> Response:
    """Whether the badge is unknown, disabled or without a PIN, or the PIN wrong, the work and the answer are the same. Each try counts before it is
    looked at, over all processes; a right one takes back the tries at its own badge."""
    database, whose = database_of(request), f"{body.grant_type} {body.who}"
    await _from_where.count(database, address_of(request))
    await _of_whom.count(database, whose)
    find = queries.by_badge if body.grant_type == "badge" else queries.by_client
    stored, grant = await find(database, body.who) or (None, None)
    if not await hashing_of(request).fits(stored, body.secret) or grant is None:
        detail = "The two do not fit together: try again, or ask an administrator for a new PIN or secret."
        raise Problem(401, "not-signed-in", detail, headers={"www-authenticate": "Bearer"})
    await _of_whom.forget(database, whose)
    if grant.not_before is not None:
        await asyncio.sleep((grant.not_before - record_now()).total_seconds())  # a second at most, and only right after a revocation
    return answer(_granted(settings_of(request), grant))


@router.get("/v1/staff", **operation(access=_ADMIN))
async def get_staff(request: Request, limit: PageSize = 50, after: After = "") -> Response:
    return answer({"staff": await queries.staff(database_of(request), after, limit)})


@router.put("/v1/staff/{badge}", **operation(access=_ADMIN, body=StaffBody, answers={200: "The badge as it is now."}))
async def put_staff(request: Request, badge: Name, body: Annotated[StaffBody, Parsed(StaffBody)], caller: Caller) -> Response:
    """Make a badge or change it. Another role or site, or no leave to sign in, revokes its tokens."""
    who = Staff(badge, body.name, body.role, body.site, body.active)
    async with database_of(request).transaction() as work:
        store = Store(work, cause_of(request))
        revokes = change_staff(await store.staff(badge), who, caller.subject)
        await store.put_staff(who)
        if revokes:
            await store.revoke(badge)
    return answer(who)


@router.put("/v1/staff/{badge}/pin", **operation(access=_ADMIN, body=PinBody, answers={200: "The PIN is set."}))
async def put_pin(request: Request, badge: Name, body: Annotated[PinBody, Parsed(PinBody)]) -> Response:
    """The PIN is never told again. A new one revokes the badge's tokens."""
    hashed = await hashing_of(request).hash(body.pin)
    async with database_of(request).transaction() as work:
        store = Store(work, cause_of(request))
        if not await store.set_pin(badge, hashed):
            raise NotFound
        await store.revoke(badge)
    return answer({"badge": badge})


@router.get("/v1/clients", **operation(access=_ADMIN))
async def get_clients(request: Request, limit: PageSize = 50, after: After = "") -> Response:
    return answer({"clients": await queries.storefronts(database_of(request), after, limit)})


@router.put("/v1/clients/{client_id}", **operation(access=_ADMIN, body=StorefrontBody, answers={200: "The client as it is now."}))
async def put_client(request: Request, client_id: Name, body: Annotated[StorefrontBody, Parsed(StorefrontBody)]) -> Response:
    """Make a client or change it. Another channel, or no leave to sign in, revokes its tokens."""
    which = Storefront(client_id, body.channel, body.active)
    async with database_of(request).transaction() as work:
        store = Store(work, cause_of(request))
        revokes = change_storefront(await store.storefront(client_id), which)
        await store.put_storefront(which)
        if revokes:
            await store.revoke(client_id)
    return answer(which)


@router.post("/v1/clients/{client_id}/secret", **operation(access=_ADMIN, answers={201: "The new secret, shown this once."}))
async def post_secret(request: Request, client_id: Name) -> Response:
    """The old secret, and tokens that were got with it, end."""
    secret = secrets.token_urlsafe(32)
    hashed = await hashing_of(request).hash(secret)
    async with database_of(request).transaction() as work:
        store = Store(work, cause_of(request))
        if not await store.set_secret(client_id, hashed):
            raise NotFound
        await store.revoke(client_id)
    return answer({"client_id": client_id, "client_secret": secret}, 201)


@router.post("/v1/revocations", **operation(access=_ADMIN, body=RevocationBody, answers={200: "From when tokens of the subject count."}))
async def post_revocation(request: Request, body: Annotated[RevocationBody, Parsed(RevocationBody)]) -> Response:
    """All services refuse the subject's tokens of before now, within half a minute. Asked again, the instant is a later one."""
    async with database_of(request).transaction() as work:
        not_before = await Store(work, cause_of(request)).revoke(body.subject)
    return answer({"subject": body.subject, "not_before": not_before})


def database_of(request: Request) -> Database:
    """The process's database, which the application's lifespan opens."""
    return cast(Database, request.app.state.database)


def settings_of(request: Request) -> KitSettings:
    return cast(KitSettings, request.app.state.settings)


def hashing_of(request: Request) -> Hashing:
    return cast(Hashing, request.app.state.hashing)


def _granted(settings: KitSettings, grant: Grant) -> dict[str, object]:
    kid, key = tokens.signing_key(settings.var / "keys")
    claims = tokens.claims(
        grant.role, issuer=settings.token_issuer, audience=settings.token_audience, lifetime=grant.lifetime, subject=grant.subject,
        channel=grant.channel, site=grant.site,
    )  # fmt: skip
    told = {"subject": grant.subject, "role": grant.role, "channel": grant.channel, "site": grant.site}
    return {"access_token": tokens.sign(key, kid, claims), "token_type": "Bearer", "expires_in": int(grant.lifetime.total_seconds()), **told}
