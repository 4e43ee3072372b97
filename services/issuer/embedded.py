"""This service stands in for an OpenID provider, and only where everything stands on one machine."""

import os
import sys


def refuse_elsewhere() -> None:
    """Ends the process, with a sentence, outside the embedded stack."""
    if os.environ.get("KEPT_EMBEDDED") != "1":
        sys.exit("The issuer runs in the embedded stack alone: elsewhere use a real OpenID provider, and name its keys in KEPT_JWKS_URL.")
