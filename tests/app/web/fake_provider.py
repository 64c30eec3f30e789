"""An OpenID Connect provider on this machine: says what the test wants it to say."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Provider(ThreadingHTTPServer):
    """`claims` go into the next identity token; None as a value leaves a claim out."""

    claims: dict[str, Any]
    header: dict[str, Any]
    key: Any = KEY
    asked: dict[str, str]  # the last authorization request
    userinfo: dict[str, Any]

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def authorize(self, address: str) -> str:
        """Do what a browser and a person would: come back with a code."""
        query = {k: v[0] for k, v in parse_qs(urlsplit(address).query).items()}
        self.asked = query
        return f"{query['redirect_uri']}?code=good&state={query['state']}"

    def id_token(self) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": "labels",
            "sub": "42",
            "iat": now,
            "exp": now + 300,
            "nonce": self.asked.get("nonce"),
            "email": "new@corp.example",
            "email_verified": True,
            "name": "New Person",
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, self.key, "RS256", headers={"kid": "one", **self.header})


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        here = self.server.issuer
        if self.path == "/.well-known/openid-configuration":
            return self._send(
                {
                    "issuer": here,
                    "authorization_endpoint": f"{here}/authorize",
                    "token_endpoint": f"{here}/token",
                    "userinfo_endpoint": f"{here}/userinfo",
                    "jwks_uri": f"{here}/keys",
                }
            )
        if self.path == "/keys":
            key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
            return self._send({"keys": [{**key, "kid": "one", "use": "sig", "alg": "RS256"}]})
        if self.path == "/userinfo":
            return self._send(self.server.userinfo)
        return self.send_error(404)

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        form = {k: v[0] for k, v in parse_qs(self.rfile.read(size).decode()).items()}
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if challenge != self.server.asked.get("code_challenge") or form.get("code") != "good":
            return self.send_error(400)
        self._send(
            {"access_token": "at", "token_type": "Bearer", "id_token": self.server.id_token()}
        )
        return None

    def _send(self, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


@contextmanager
def running_provider() -> Iterator[Provider]:
    server = Provider(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
