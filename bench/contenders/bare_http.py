"""What a tutorial has: FastAPI with pydantic models, and one insert of the body through asyncpg's pool. No sign-in, no key, no event."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from uuid import UUID

import asyncpg
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field

pools: list["asyncpg.Pool[asyncpg.Record]"] = []


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["BENCH_DATABASE"], min_size=5, max_size=5) as pool:
        pools.append(pool)
        yield


app = FastAPI(lifespan=lifespan)


class Line(BaseModel):
    line: int
    sku: str = Field(max_length=64)
    quantity: int = Field(gt=0)
    unit_price_minor: int = Field(gt=0)
    description: str = Field(max_length=200)


class Charge(BaseModel):
    code: str
    description: str
    amount_minor: int


class Customer(BaseModel):
    external_ref: str | None = None
    name: str = Field(max_length=200)
    email: str = Field(max_length=254)
    phone: str | None = None
    language: str
    zone: str


class Address(BaseModel):
    name: str = Field(max_length=200)
    line1: str = Field(max_length=200)
    line2: str | None = None
    city: str
    region: str | None = None
    postcode: str
    country: str
    po_box: bool


class Payment(BaseModel):
    state: str
    reference: str
    amount_minor: int


class Order(BaseModel):
    order_id: UUID
    channel: str
    external_ref: str
    placed_at: datetime
    customer: Customer
    ship_to: Address
    currency: str
    lines: list[Line] = Field(min_length=1, max_length=1000)
    charges: list[Charge]
    total_minor: int
    payment: Payment
    service: str
    quote_id: UUID | None = None
    chosen_on: date | None = None
    signature_required: bool


@app.post("/v1/orders", status_code=201)
async def post_order(order: Order) -> dict[str, str]:
    await pools[0].execute(
        "insert into bench.bare (order_id, external_ref, total_minor, body) values ($1, $2, $3, $4::text::jsonb)",
        order.order_id, order.external_ref, order.total_minor, order.model_dump_json(),
    )  # fmt: skip
    return {"order_id": str(order.order_id), "external_ref": order.external_ref}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
