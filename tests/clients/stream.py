"""A verifier that is shown one token a line on standard input until it ends, and tells what became of them: how many
were good, when the last of each key was, and what was said of the others."""
import datetime
import sys

from program import program


def stream(verify) -> None:
    """Hands each token to `verify`, which answers the header of one that is good."""

    def main(step) -> dict:
        step("verify")
        last, failures, verified = {}, [], 0
        for line in sys.stdin:
            token = line.strip()
            try:
                kid = verify(token)["kid"]
                last[kid] = datetime.datetime.now(datetime.UTC).isoformat()
                verified += 1
            except Exception as error:  # noqa: BLE001, whatever it is: the token was refused
                now = datetime.datetime.now(datetime.UTC).isoformat()
                failures.append(f"{now} {type(error).__name__}: {error}: {token}")
        return {"verified": verified, "last": last, "failures": failures}

    program(main)
