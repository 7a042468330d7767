"""python-jose verifies the token on standard input, with the view of the JWKS that it can read.

ISSUER AUDIENCE ALG; [TYP] is at+jwt unless told; [VIEW] is the query of the JWKS, alg=ALG unless told;
[ACCESS_TOKEN] is what the at_hash of an ID token must fit.
"""
import sys

import httpx
from jose import jwt

from program import must, program, setting


def main(step) -> dict:
    issuer, algorithm = setting("ISSUER"), setting("ALG")
    step("read")
    token = sys.stdin.read().strip()
    step("keys")
    view = setting("VIEW", f"alg={algorithm}")
    keys = httpx.get(f"{issuer}/.well-known/jwks.json?{view}").raise_for_status().json()
    step("verify")
    claims = jwt.decode(token, keys, algorithms=[algorithm], issuer=issuer, audience=setting("AUDIENCE"),
                        access_token=setting("ACCESS_TOKEN", "none"),
                        options={"require_exp": True, "require_sub": True})
    header = jwt.get_unverified_header(token)
    must(header.get("typ") == setting("TYP", "at+jwt"), f"not such a token: {header}")
    return {"header": header, "claims": claims}


program(main)
