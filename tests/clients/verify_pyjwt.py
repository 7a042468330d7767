"""PyJWT's PyJWKClient verifies the access token on standard input.

ISSUER AUDIENCE
"""
import sys

import jwt

from program import must, program, setting


def main(step) -> dict:
    issuer = setting("ISSUER")
    step("read")
    token = sys.stdin.read().strip()
    step("verify")
    key = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json").get_signing_key_from_jwt(token)
    found = jwt.decode_complete(token, key, algorithms=["EdDSA"], issuer=issuer, audience=setting("AUDIENCE"),
                                options={"require": ["iss", "aud", "exp", "sub"]})
    must(found["header"].get("typ") == "at+jwt", f"not an access token: {found['header']}")
    return {"header": found["header"], "claims": found["payload"]}


program(main)
