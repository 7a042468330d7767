"""Authlib's client for Starlette goes from discovery to logout, unmodified.

ISSUER CLIENT_ID REDIRECT_URI POST_LOGOUT_REDIRECT_URI EMAIL PASSWORD
[CLIENT_SECRET] [AUTH_METHOD="client_secret_basic", "none" without a secret] [PRIVATE_KEY: a P-256 JWK to sign with]
[SCOPE="openid profile email"] [RESOURCE] [NAME: of a user to sign up, with prompt=create]
"""
import asyncio
import json
from urllib.parse import urlsplit

from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey
from starlette.requests import Request

from program import must, program, setting
from user_agent import UserAgent

# What the session of a web application keeps between its requests.
SESSION: dict = {}


def request(url: str) -> Request:
    """What the framework hands to the application when the user's browser asks for `url`."""
    parts = urlsplit(url)
    return Request({"type": "http", "method": "GET", "path": parts.path, "query_string": parts.query.encode(),
                    "headers": [(b"host", parts.netloc.encode())], "scheme": parts.scheme, "session": SESSION})


async def run(step) -> dict:
    issuer, redirect_uri = setting("ISSUER"), setting("REDIRECT_URI")
    home = setting("POST_LOGOUT_REDIRECT_URI")
    scope, secret = setting("SCOPE", "openid profile email"), setting("CLIENT_SECRET", "")
    method = setting("AUTH_METHOD", "client_secret_basic" if secret else "none")
    resource, name = setting("RESOURCE", ""), setting("NAME", "")
    user = UserAgent(email=setting("EMAIL"), password=setting("PASSWORD"), name=name)

    more = {}
    if method == "private_key_jwt":
        key = json.loads(setting("PRIVATE_KEY"))
        secret = ECKey.import_key(key)
        # By itself it names the endpoint that it calls, and of those Signet takes the token endpoint alone.
        more["client_auth_methods"] = [PrivateKeyJWT(issuer, alg="ES256", headers={"kid": key["kid"]})]

    step("discovery")
    signet = OAuth().register(
        "signet",
        client_id=setting("CLIENT_ID"),
        client_secret=secret or None,
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_kwargs={
            "scope": scope,
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": method,
            "revocation_endpoint_auth_method": method,
        },
        **more,
    )
    metadata = await signet.load_server_metadata()
    must(metadata["issuer"] == issuer, f"metadata of {metadata['issuer']}")

    step("login")
    offline = "offline_access" in scope.split()
    prompt = " ".join(["create"] * bool(name) + ["consent"] * offline)
    more = {key: value for key, value in {"resource": resource, "prompt": prompt}.items() if value}
    redirect = await signet.authorize_redirect(request(redirect_uri), redirect_uri, **more)
    callback = user.visit(redirect.headers["location"], redirect_uri)

    step("code")
    tokens = await signet.authorize_access_token(request(callback))
    subject = tokens["userinfo"]["sub"]  # from the ID token, whose signature and nonce it has checked

    step("userinfo")
    userinfo = await signet.userinfo(token=tokens)
    must(userinfo["sub"] == subject, f"userinfo of {userinfo['sub']}")

    async def refresh(refresh_token: str) -> dict:
        return await signet.fetch_access_token(grant_type="refresh_token", refresh_token=refresh_token)

    async def is_dead(refresh_token: str) -> bool:
        try:
            await refresh(refresh_token)
        except OAuthError as error:
            return error.error == "invalid_grant"
        return False

    step("refresh")
    refreshed = await refresh(tokens["refresh_token"])
    must(refreshed["access_token"] != tokens["access_token"], "the access token is the old one")
    must((await signet.userinfo(token=refreshed))["sub"] == subject, "userinfo of another user")

    step("logout")
    id_token = refreshed.get("id_token") or tokens["id_token"]
    redirect = await signet.logout_redirect(request(home), home, id_token_hint=id_token)
    left = user.visit(redirect.headers["location"], home)
    await signet.validate_logout_response(request(left))

    last = refreshed["refresh_token"]
    if offline:
        step("refresh without a session")
        last = (await refresh(last))["refresh_token"]
        step("revocation")
        async with signet._get_oauth_client(**metadata) as http:
            answer = await http.revoke_token(metadata["revocation_endpoint"], last, "refresh_token")
            must(answer.status_code == 200, f"revocation answered {answer.status_code}")
    step("refresh after the end")
    must(await is_dead(last), "a dead refresh token still works")
    return {"sub": subject, "scope": tokens.get("scope", scope), "userinfo": dict(userinfo),
            "access_token": tokens["access_token"], "id_token": tokens["id_token"]}


program(lambda step: asyncio.run(run(step)))
