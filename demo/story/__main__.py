"""`python -m demo.story`: the television and the cable, on a stack of its own.

The last line is one JSON object; exits with 1 unless all of it went well.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from demo.driver import Driver
from demo.house import BotStopped, House
from demo.quiet import Quiet
from demo.shop import Storefront
from demo.standing import on_a_stack
from demo.story import branches, television
from demo.story.stage import ZONE, Look, Stage, at, look_away
from demo.story.teller import Teller
from services.kit.clock import FileClockDriver

STORIES = ("television",)
_FOLDER = Path("var") / "story"


def main() -> int:
    arguments = _parse()
    told = on_a_stack(_FOLDER, at(28, "09:00", month=11), live, keep=arguments.keep)
    if told is None:
        return 1
    print(json.dumps(told), flush=True)
    return 0 if told["ok"] else 1


async def live(var: Path, clock: FileClockDriver, look: Look = look_away) -> dict[str, Any]:
    """Tell it. What was told, compared and promised, and whether all of it was as it should be."""
    house = House.at(var)
    async with house.http, Quiet(house.stack) as quiet, Storefront(house) as shop:
        driver = Driver(clock, quiet)
        teller = Teller(ZONE, lambda: driver.now)
        stage = Stage(house, shop, driver, teller, look)
        promises: list[str] = []
        try:
            await stage.open()
            promises += await television.tell(stage)
            promises += await branches.no_cable(stage)
            promises += await branches.no_van(stage)
            await _all_agree(stage)
        except (BotStopped, TimeoutError) as stopped:
            print(f"\nThe story stopped: {stopped}", flush=True)
            return _outcome(teller, promises, ok=False)
        return _outcome(teller, promises, ok=True)


async def _all_agree(stage: Stage) -> None:
    """Every department holds what the ledger holds, to the digest."""

    async def agreed() -> bool:
        told = (await stage.planner.get("promises", "/v1/agreement")).json()
        return bool(told["agree"])

    stage.teller.chapter("At the end")
    await stage.teller.until("all departments hold the same", agreed)
    await stage.look("all agree", "/agreement")
    stage.teller.step("Every department computes its digest from its own rows: all of them are the ledger's.")


def _outcome(teller: Teller, promises: list[str], *, ok: bool) -> dict[str, Any]:
    return {"steps": teller.steps, "equal_words": teller.equal_words, "promises": len(promises), "ok": ok}


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo.story", description="A story told on a stack of its own, by public interfaces only.")
    parser.add_argument("story", nargs="?", default="television", choices=STORIES)
    parser.add_argument("--keep", action="store_true", help="leave the stack running; `make down VAR=var/story` stops it")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
