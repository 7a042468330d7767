"""Authlib's validator of access tokens (RFC 9068) verifies a stream of them.

ISSUER AUDIENCE
"""
import time

import httpx
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc.jwk import KeySet

from program import setting
from stream import stream


class Validator(JWTBearerTokenValidator):
    """It leaves the cache to whoever uses it: this one keeps the JWKS for as long as `Cache-Control` says."""

    fresh_until = 0.0

    def get_jwks(self):
        now = time.monotonic()
        if now >= self.fresh_until:
            answer = httpx.get(f"{self.issuer}/.well-known/jwks.json")
            answer.raise_for_status()
            directives = answer.headers["cache-control"].split(", ")
            ages = [directive.removeprefix("max-age=") for directive in directives if directive.startswith("max-age=")]
            self.jwks, self.fresh_until = KeySet.import_key_set(answer.json()), now + int(ages[0])
        return self.jwks


validator = Validator(issuer=setting("ISSUER"), resource_server=setting("AUDIENCE"))


def verify(token: str) -> dict:
    claims = validator.authenticate_token(token)
    validator.validate_token(claims, ["notes:read"], None)
    return claims.header


stream(verify)
