"""A real mail server (aiosmtpd) that does what a test tells it to.

Settings: PROTECTION (none, starttls, tls) with CERTIFICATE and KEY as files, LOGIN_USER and LOGIN_PASSWORD, SMTPUTF8 (yes, no).
First line of output: {"port": N}. Then a line for every mail that was taken: {"from", "to", "data", "tls", "user"}; and
for every AUTH that was refused {"refused": "auth"}, for every recipient without an answer {"hangs": ADDRESS}.

Each line of input is what it does with mail from then on:
  take               it takes it
  answer CODE TEXT   to a recipient it says that
  sender CODE TEXT   to a sender it says that
  mail CODE TEXT     to a whole mail it says that
  hang               it never answers to a recipient
  swallow            it takes it, and never says so
  slow               it takes it, a second later
"""
import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

from program import setting

PATIENCE = 600


def say(**said) -> None:
    print(json.dumps(said), flush=True)


class Handler:
    mode = "take"

    async def handle_MAIL(self, server, session, envelope, address, options):
        if self.mode.startswith("sender "):
            return self.mode.removeprefix("sender ")
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.mode == "hang":
            say(hangs=address)
            await asyncio.sleep(PATIENCE)
        if self.mode.startswith("answer "):
            return self.mode.removeprefix("answer ").replace("ADDRESS", address)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.mode.startswith("mail "):
            return self.mode.removeprefix("mail ")
        user = session.auth_data
        say(
            **{"from": envelope.mail_from, "to": envelope.rcpt_tos},
            data=envelope.content.decode("utf-8", "surrogateescape"),
            # Where TLS begins with the first byte, nothing else gets this far.
            tls=session.ssl is not None or setting("PROTECTION", "none") == "tls",
            user=user.login.decode() if user else None,
            hello=session.host_name,
        )
        if self.mode == "slow":
            await asyncio.sleep(1)
        if self.mode == "swallow":
            await asyncio.sleep(PATIENCE)
        return "250 2.0.0 taken"


def authenticator(server, session, envelope, mechanism, data):
    expected = (setting("LOGIN_USER").encode(), setting("LOGIN_PASSWORD").encode())
    if (data.login, data.password) == expected:
        return AuthResult(success=True, auth_data=data)
    say(refused="auth")
    return AuthResult(success=False, handled=False)


async def serve() -> None:
    protection = setting("PROTECTION", "none")
    context = None
    if protection != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(setting("CERTIFICATE"), setting("KEY"))
    with_login = setting("LOGIN_USER", "-") != "-"
    handler = Handler()
    loop = asyncio.get_running_loop()

    def session() -> SMTP:
        return SMTP(
            handler,
            hostname="mail.test",
            enable_SMTPUTF8=setting("SMTPUTF8", "no") == "yes",
            tls_context=context if protection == "starttls" else None,
            require_starttls=protection == "starttls",
            authenticator=authenticator if with_login else None,
            auth_required=with_login,
            auth_require_tls=protection == "starttls",
            timeout=PATIENCE,
            loop=loop,
        )

    implicit = context if protection == "tls" else None
    server = await loop.create_server(session, "127.0.0.1", int(setting("PORT", "0")), ssl=implicit)
    say(port=server.sockets[0].getsockname()[1])
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        handler.mode = line.strip()
        say(mode=handler.mode)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
