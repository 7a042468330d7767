"""PyJWT verifies a stream of access tokens, with PyJWKClient's cache.

ISSUER AUDIENCE MAX_AGE (seconds)
"""
import jwt

from program import must, setting
from stream import stream

issuer, audience = setting("ISSUER"), setting("AUDIENCE")
# Its cache knows no Cache-Control. The cool-down after a fetch stays the 30 seconds that it is: a `kid` that is not in
# the cache fails.
keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json", lifespan=float(setting("MAX_AGE")))


def verify(token: str) -> dict:
    key = keys.get_signing_key_from_jwt(token)
    found = jwt.decode_complete(token, key, algorithms=["EdDSA"], issuer=issuer, audience=audience,
                                options={"require": ["iss", "aud", "exp", "sub"]})
    must(found["header"].get("typ") == "at+jwt", f"not an access token: {found['header']}")
    return found["header"]


stream(verify)
