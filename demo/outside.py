"""The carrier's day on the driver's agenda: its vans drive by business time, so it is told the time whenever something of it is due."""

import json
from datetime import datetime

from demo.driver import Driver
from demo.house import BotStopped, House


class CarrierBot:
    """Ticks the carrier, and comes back when it says there is more."""

    def __init__(self, house: House, driver: Driver) -> None:
        accounts = json.loads((house.var / "keys" / "carriers.json").read_text())
        self._headers = {"authorization": f"Bearer {accounts['admin_key']}"}
        self._house, self._driver = house, driver
        self._planned: set[datetime] = set()

    async def look(self) -> None:
        """Tell the carrier the time; what it has to say by now is said."""
        answer = await self._house.http.post(
            f"{self._house.stack['demo']['carrier']}/tick", json={"now": self._driver.now.isoformat()}, headers=self._headers
        )
        if answer.status_code != 200:
            raise BotStopped(f"the carrier answered {answer.status_code} to the time: {answer.text[:300]}")
        await self._driver.settle()
        next_at = answer.json()["next_at"]
        if next_at and (instant := datetime.fromisoformat(next_at)) not in self._planned:
            self._planned.add(instant)
            self._driver.at(instant, self.look)
