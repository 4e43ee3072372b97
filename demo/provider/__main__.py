"""`python -m demo.provider`: the payment provider as a process."""

import uvicorn

from demo.provider.app import Provider
from demo.provider.books import Books
from demo.provider.keys import keys
from services.kit.settings import KitSettings


def main() -> None:
    settings = KitSettings()
    provider = Provider(Books(settings.var / "provider" / "books.sqlite"), keys(settings.var / "keys" / "payments.json"))
    uvicorn.run(provider.app(), host=settings.bind, port=settings.port("provider"), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
