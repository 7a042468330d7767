"""An API that verifies access tokens by hand, well but for one defect: what `signet rs-check` must find.

broken_resource_server.py DEFECT, with ISSUER, AUDIENCE and PORT in the environment; `none` is no defect. A line that asks
for `defect(…)` is where it goes wrong. ALG: EdDSA or RS256. KNOWN_KEYS: a JWKS as it was at an earlier time.
"""
import base64
import hashlib
import hmac
import http.server
import json
import os
import re
import sys
import threading
import time
import urllib.parse
import urllib.request

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_der_x509_certificate

DEFECT = sys.argv[1]
ISSUER, AUDIENCE, PORT = (os.environ[name] for name in ("ISSUER", "AUDIENCE", "PORT"))
ALG = os.environ.get("ALG", "EdDSA")
LEEWAY = 30
refused = 0


def defect(name):
    """Whether it goes wrong here. The end of this file refuses names that no line asks for."""
    return name == DEFECT


class Refused(Exception):
    pass


def require(holds, why):
    if not holds:
        raise Refused(why)


def get(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


class Keys:
    """The issuer's keys: kept for five minutes, fetched for an unknown kid twice a minute at most."""

    def __init__(self):
        self.keys, self.fetched, self.lock = {}, 0.0, threading.Lock()
        if defect("never-forgets-keys"):
            self.add(json.loads(os.environ["KNOWN_KEYS"]))

    def add(self, jwks):
        self.keys.update({key["kid"]: key for key in jwks["keys"]})

    def find(self, kid):
        with self.lock:
            age = time.monotonic() - self.fetched
            if not self.keys or age > (300 if kid in self.keys else 30) or (
                    defect("fetches-for-every-unknown-kid") and kid not in self.keys):
                if not defect("never-forgets-keys"):
                    self.keys = {}
                self.add(get(ISSUER + "/.well-known/jwks.json"))
                self.fetched = time.monotonic()
            if defect("keeps-one-key-for-ever"):
                self.keys = {kid: self.keys[kid]} if kid in self.keys and len(self.keys) > 1 else self.keys
            require(kid in self.keys, "unknown kid")
            return self.keys[kid]


keys = Keys()


def decode(part):
    if defect("lenient-base64"):
        part = re.sub("[^A-Za-z0-9_-]", "", part)
    require(re.fullmatch("[A-Za-z0-9_-]*", part), "base64url")
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def members(pairs):
    if defect("first-of-duplicate-members"):
        pairs = reversed(pairs)
    return dict(pairs)


def parse(part):
    value = json.loads(decode(part), object_pairs_hook=members)
    require(isinstance(value, dict), "no object")
    return value


def public_key(jwk):
    if ALG == "RS256":
        require(jwk.get("kty") == "RSA", "another kind of key")
        return RSAPublicNumbers(*(int.from_bytes(decode(jwk[name]), "big") for name in "en")).public_key()
    require(jwk.get("kty") == "OKP" and jwk.get("crv") == "Ed25519", "another kind of key")
    return Ed25519PublicKey.from_public_bytes(decode(jwk["x"]))


def key_of(header):
    if defect("key-from-jwk-header") and "jwk" in header:
        return public_key(header["jwk"])
    if defect("key-from-x5c-header") and "x5c" in header:
        return load_der_x509_certificate(base64.b64decode(header["x5c"][0])).public_key()
    if "jku" in header and (defect("key-from-jku-header") or defect("fetches-jku-header")):
        fetched = get(header["jku"])["keys"][0]
        if not defect("fetches-jku-header"):
            return public_key(fetched)
    require(isinstance(header.get("kid"), str), "kid")
    return public_key(keys.find(header["kid"]))


def verify_signature(header, signed, signature):
    alg = header.get("alg")
    if defect("alg-none") and str(alg).lower() == "none":
        return
    if alg == "HS256" and (defect("hmac-under-the-pem") or defect("kid-as-a-path")):
        secret = b""
        if defect("hmac-under-the-pem"):
            secret = key_of(header).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        elif os.path.exists(os.path.join("/etc/keys", header["kid"])):
            with open(os.path.join("/etc/keys", header["kid"]), "rb") as file:
                secret = file.read()
        else:
            raise Refused("no such file")
        require(hmac.compare_digest(hmac.digest(secret, signed.encode(), hashlib.sha256), signature), "HMAC")
        return
    require(alg == ALG or defect("any-algorithm"), "alg")
    key = key_of(header)
    if not defect("no-signature-check"):
        how = (PKCS1v15(), hashes.SHA256()) if ALG == "RS256" else ()
        key.verify(signature, signed.encode(), *how)


def for_this_api(aud):
    if defect("prefix-of-the-audience"):
        aud = [name[:len(AUDIENCE)] for name in ([aud] if isinstance(aud, str) else aud)]
    if defect("audience-as-a-text-only"):
        return aud == AUDIENCE
    return aud == AUDIENCE or isinstance(aud, list) and AUDIENCE in aud


def verify(token):
    if len(token) > 8192:
        raise RuntimeError if defect("breaks-on-long-tokens") else Refused("too long")
    parts = token.split(".")
    require(len(parts) == 3, "no JWS")
    header = parse(parts[0])
    require("crit" not in header or defect("no-crit-check"), "crit")
    verify_signature(header, f"{parts[0]}.{parts[1]}", decode(parts[2]))
    claims = parse(parts[1])
    typ = str(header.get("typ")).lower().removeprefix("application/")
    require(typ == "at+jwt" or defect("no-typ-check"), "typ")
    require(claims.get("iss") == ISSUER or defect("no-iss-check"), "iss")
    require(defect("no-aud-check") or for_this_api(claims.get("aud")), "aud")
    now, exp = time.time(), claims.get("exp")
    if not (exp is None and defect("exp-only-if-present")):
        require(defect("no-exp-check") or type(exp) in (int, float) and exp > now - LEEWAY, "exp")
    require(not defect("knows-users-only") or claims["sub"] != claims["client_id"], "sub")
    require(defect("no-nbf-check") or claims.get("nbf", 0) <= now + LEEWAY, "nbf")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        global refused
        token = self.headers.get("Authorization", "").partition("Bearer ")[2]
        if defect("token-in-the-query") and not token:
            token = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query).get("access_token", [""])[0]
        if defect("open-without-a-token") and not self.headers.get("Authorization"):
            return self.answer(200)
        if defect("shuts-out-after-bad-tokens") and refused > 50:
            return self.answer(403)
        if defect("limits-requests") and refused > 20:
            return self.answer(429)
        try:
            verify(token)
            return self.answer(200)
        except (Refused, InvalidSignature):
            pass
        except (ValueError, KeyError, TypeError):
            if defect("breaks-on-garbage"):
                return self.answer(500)
        except RuntimeError as error:
            if defect("breaks-on-nested-json") or not isinstance(error, RecursionError):
                return self.answer(500)
        refused += 1
        self.answer(401)

    def answer(self, status):
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # Clients that hang up are part of the test.


with open(__file__, encoding="utf-8") as own:
    named = set(re.findall(r'defect\("([a-z0-9-]+)"\)', own.read()))
if DEFECT != "none" and DEFECT not in named:
    sys.exit(f"{DEFECT} is none of {sorted(named)}")
Server(("127.0.0.1", int(PORT)), Handler).serve_forever()
