"""The no's of the floor. Each says what to do instead."""

from services.kit.values import Refusal


class StaleClaim(Refusal):
    slug = "stale-claim"


class TaskTaken(Refusal):
    slug = "task-taken"


class NotOpen(Refusal):
    slug = "task-not-open"


class FinishFirst(Refusal):
    slug = "finish-first"


class ClaimReused(Refusal):
    slug = "claim-id-reused"
    status = 422


class ScanReused(Refusal):
    slug = "scan-id-reused"
    status = 422


class WrongItem(Refusal):
    slug = "wrong-item"


class UnknownCode(Refusal):
    slug = "unknown-code"


class WrongBin(Refusal):
    slug = "wrong-bin"


class TooMany(Refusal):
    slug = "too-many"


class NotLastScan(Refusal):
    slug = "not-last-scan"


class NotShort(Refusal):
    slug = "not-short"


class NotPicked(Refusal):
    slug = "not-picked"


class WeightOff(Refusal):
    slug = "weight-off"


class AlreadyPacked(Refusal):
    slug = "already-packed"


class AlreadyLabelled(Refusal):
    slug = "already-labelled"


class NotPacked(Refusal):
    slug = "not-packed"


class ParcelReused(Refusal):
    slug = "parcel-id-reused"
    status = 422


class IdTaken(Refusal):
    slug = "id-reused"
    status = 422
