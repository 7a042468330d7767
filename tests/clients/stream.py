"""A verifier that is shown one token a line on standard input until it ends, and tells what became of them."""
import datetime
import sys

from program import program


def stream(verify) -> None:
    """Hands each token to `verify`, which answers the header of one that is good."""

    def main(step) -> dict:
        step("verify")
        kids, failures, verified = set(), [], 0
        for line in sys.stdin:
            token = line.strip()
            try:
                kids.add(verify(token)["kid"])
                verified += 1
            except Exception as error:  # noqa: BLE001, whatever it is: a good token was refused
                now = datetime.datetime.now(datetime.UTC).isoformat()
                failures.append(f"{now} {type(error).__name__}: {error}: {token}")
        return {"verified": verified, "kids": sorted(kids), "failures": failures}

    program(main)
