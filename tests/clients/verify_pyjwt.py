"""PyJWT's PyJWKClient verifies the token on standard input.

ISSUER AUDIENCE; [JWKS]: where the keys are, if elsewhere; [ALG] [TYP] say what it must be, an access token with EdDSA unless told; a TYP of none is one without.
"""
import sys

import jwt

from program import must, program, setting


def main(step) -> dict:
    issuer = setting("ISSUER")
    step("read")
    token = sys.stdin.read().strip()
    step("verify")
    key = jwt.PyJWKClient(setting("JWKS", f"{issuer}/.well-known/jwks.json")).get_signing_key_from_jwt(token)
    found = jwt.decode_complete(token, key, algorithms=[setting("ALG", "EdDSA")], issuer=issuer, audience=setting("AUDIENCE"),
                                options={"require": ["iss", "aud", "exp", "sub"]})
    must(found["header"].get("typ", "none") == setting("TYP", "at+jwt"), f"not such a token: {found['header']}")
    return {"header": found["header"], "claims": found["payload"]}


program(main)
