"""An API that takes Signet's access tokens, and knows nothing of Signet but its issuer's name.

With --check-status it also refuses tokens that were revoked, whose user was disabled, and so on.
"""
import os
import sys
import time
import zlib
from base64 import urlsafe_b64decode
from urllib.request import urlopen

import jwt
import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

ISSUER = os.environ["ISSUER"]
AUDIENCE = os.environ["AUDIENCE"]
CHECK_STATUS = "--check-status" in sys.argv
CLAIMS = ["iss", "aud", "exp", "sub"] + ["status"] * CHECK_STATUS

# Keeps the keys for five minutes; fetches anew when a token names a key that it lacks, at most twice a minute.
keys = jwt.PyJWKClient(ISSUER + "/.well-known/jwks.json", lifespan=300, timeout=5)
app = FastAPI()


def refuse(status: int, error: str | None = None, **more: str) -> HTTPException:
    """RFC 6750 §3: a request without a token learns no error code, only what to bring."""
    fields = {"error": error, **more} if error else {}
    challenge = ", ".join(f'{name}="{value}"' for name, value in {"realm": "notes", **fields}.items())
    return HTTPException(status, error or "unauthorized", {"WWW-Authenticate": f"Bearer {challenge}"})


def access_token(scope: str):
    """A dependency: the claims of the caller's token, which must have been given `scope`."""

    def verify(bearer: HTTPAuthorizationCredentials | None = Depends(HTTPBearer(auto_error=False))) -> dict:
        if bearer is None:
            raise refuse(401)
        try:
            key = keys.get_signing_key_from_jwt(bearer.credentials)
            # The algorithm is ours to say, never the token's; `require` because an absent claim is not checked.
            token = jwt.decode_complete(bearer.credentials, key, algorithms=["EdDSA"], issuer=ISSUER,
                                        audience=AUDIENCE, leeway=30, options={"require": CLAIMS})
        except jwt.PyJWKClientConnectionError as error:
            raise HTTPException(503, "the issuer's keys are out of reach", {"Retry-After": "5"}) from error
        except jwt.PyJWTError as error:
            raise refuse(401, "invalid_token") from error
        # An ID token is signed by the same key: only the type tells the two apart (RFC 9068 §4).
        if str(token["header"].get("typ")).lower().removeprefix("application/") != "at+jwt":
            raise refuse(401, "invalid_token")
        if CHECK_STATUS and is_revoked(token["payload"]["status"]["status_list"]):
            raise refuse(401, "invalid_token")
        if scope not in str(token["payload"].get("scope", "")).split(" "):
            raise refuse(403, "insufficient_scope", scope=scope)
        return token["payload"]

    return verify


lists: dict[str, tuple[float, float, bytes]] = {}  # by address: when to ask again, when it is over, the bits


def is_revoked(place: dict) -> bool:
    """What the status list says that a token names (draft-ietf-oauth-status-list §8.3). Fails closed."""
    uri, index = place["uri"], place["idx"]
    ask_at, over_at, bits = lists.get(uri, (0, 0, b""))
    if time.time() >= ask_at:
        try:
            with urlopen(uri, timeout=5) as answer:
                text = answer.read().decode()
            token = jwt.decode_complete(text, keys.get_signing_key_from_jwt(text), algorithms=["EdDSA"], leeway=30,
                                        issuer=ISSUER, subject=uri, options={"require": ["sub", "exp", "ttl"]})
            if token["header"].get("typ") != "statuslist+jwt":
                raise jwt.InvalidTokenError("not a status list")
            claims = token["payload"]
            bits = zlib.decompress(urlsafe_b64decode(claims["status_list"]["lst"] + "=="))
            ask_at, over_at = time.time() + claims["ttl"], claims["exp"]
        except (OSError, jwt.PyJWTError) as error:
            # The last list is good until its `exp`; without one nobody can say, and we do not guess.
            if time.time() >= over_at:
                raise HTTPException(503, "the status list is out of reach", {"Retry-After": "5"}) from error
            ask_at = time.time() + 5
        lists[uri] = ask_at, over_at, bits
    return index >> 3 >= len(bits) or bits[index >> 3] >> (index & 7) & 1 == 1


@app.get("/notes")
def notes(token: dict = Depends(access_token("notes:read"))) -> dict:
    return {"sub": token["sub"], "client_id": token.get("client_id"), "notes": ["Buy milk"]}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "3000")), log_level="warning")
