"""The user's part of a login, without a browser: follows redirects, keeps cookies, fills in the first form."""
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx


class FirstForm(HTMLParser):
    """The first form of a page as a browser sends it when its first button is pressed."""

    def __init__(self, page: str, fields: dict):
        super().__init__()
        self.page, self.fields = page, fields
        self.form, self.closed, self.button = None, False, None
        self.sent: dict[str, str] = {}

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form" and self.form is None:
            self.form = attributes
        if self.form is None or self.closed or tag not in ("input", "button") or "disabled" in attributes:
            return
        kind = attributes.get("type", "submit" if tag == "button" else "text").lower()
        name = attributes.get("name")
        if kind == "submit":
            self.button = self.button or attributes
        elif kind in ("button", "reset") or not name:
            return
        elif kind not in ("checkbox", "radio") or "checked" in attributes:
            self.sent[name] = self.fields.get(name, attributes.get("value", "on" if kind == "checkbox" else ""))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        if tag == "form" and self.form is not None:
            self.closed = True

    def request(self) -> dict:
        button = self.button or {}
        sent = {**self.sent, **({button["name"]: button.get("value", "")} if button.get("name") else {})}
        url = urljoin(self.page, button.get("formaction") or self.form.get("action") or self.page)
        method = (button.get("formmethod") or self.form.get("method") or "get").upper()
        if method == "GET":
            return {"method": method, "url": url, "params": sent}
        page = urlsplit(self.page)
        return {"method": method, "url": url, "data": sent, "headers": {"Origin": f"{page.scheme}://{page.netloc}"}}


class UserAgent:
    def __init__(self, **fields: str):
        """`fields`: what the user types, by the names of the form fields."""
        self.fields = fields
        self.http = httpx.Client(follow_redirects=False, timeout=30)

    def visit(self, url: str, target: str) -> str:
        """Goes to `url`, and on, until it is sent to `target`: answers that address, with its parameters."""
        request, last = {"method": "GET", "url": url}, None
        for _ in range(20):
            if urlsplit(request["url"])[:3] == urlsplit(target)[:3]:
                return request["url"]
            response = self.http.request(**request)
            if response.has_redirect_location:
                if request["method"] == "POST" and response.status_code not in (302, 303):
                    raise RuntimeError(f"a form was sent on, by {response.status_code}")
                request = {"method": "GET", "url": urljoin(request["url"], response.headers["location"])}
                continue
            form = FirstForm(str(response.url), self.fields)
            form.feed(response.text)
            # The same form again means that it refused what was typed.
            again = form.form and (response.url.path, form.form.get("action"), sorted(form.sent))
            if not response.is_success or form.form is None or again == last:
                raise RuntimeError(f"{response.status_code} at {response.url.path}: {response.text[:300]}")
            request, last = form.request(), again
        raise RuntimeError("20 steps led nowhere")
