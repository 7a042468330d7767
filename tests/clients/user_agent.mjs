// The user's part of a login, without a browser: follows redirects, keeps cookies, fills in the first form.

/** What a person would have read as an answer, for failures. */
const text = (html) => html.replace(/<(style|script)[^]*?<\/\1>|<[^>]*>/g, " ").replace(/\s+/g, " ").trim().slice(0, 300);

const NAMED = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " " };
const unescape = (value) =>
  value.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (hex || decimal) return String.fromCodePoint(hex ? parseInt(hex, 16) : Number(decimal));
    return NAMED[name] ?? whole;
  });

/** The attributes of a tag's text; one without a value is "". */
function attributes(tag) {
  const found = {};
  for (const [, name, ...value] of tag.matchAll(/([\w-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g)) {
    found[name.toLowerCase()] ??= unescape(value.find((it) => it !== undefined) ?? "");
  }
  return found;
}

/** The first form of a page as a browser sends it when its first button is pressed; undefined without a form. */
function firstForm(html, page, fields) {
  const markup = html.replace(/<!--[^]*?-->/g, "");
  const [, opening, inside] = /<form\b((?:"[^"]*"|'[^']*'|[^'">])*)>([^]*?)<\/form>/i.exec(markup) ?? [];
  if (inside === undefined) return undefined;
  const form = attributes(opening);
  const sent = new URLSearchParams();
  let button;
  for (const [, tag, rest] of inside.matchAll(/<(input|button)\b((?:"[^"]*"|'[^']*'|[^'">])*)>/gi)) {
    const field = attributes(rest);
    const type = (field.type ?? (tag.toLowerCase() === "button" ? "submit" : "text")).toLowerCase();
    if (type === "submit") {
      if (!button && field.disabled === undefined) button = field;
    } else if (type !== "button" && type !== "reset" && field.name && field.disabled === undefined) {
      if ((type === "checkbox" || type === "radio") && field.checked === undefined) continue;
      sent.append(field.name, fields[field.name] ?? field.value ?? "on");
    }
  }
  if (button?.name) sent.append(button.name, button.value ?? "");
  return {
    url: new URL(button?.formaction || form.action || page.href, page),
    method: (button?.formmethod || form.method || "get").toUpperCase(),
    sent,
  };
}

export class UserAgent {
  #cookies = new Map();

  /** `fields`: what the user types, by the names of the form fields. */
  constructor(fields) {
    this.fields = fields;
  }

  /** Goes to `url`, and on, until it is sent to `target`: answers that address, with its parameters. */
  async visit(url, target) {
    return (await this.reach(url, target)).url;
  }

  /** The same, answering the request that would be made there: its `url`, its `method`, and what a form has `sent`. */
  async reach(url, target) {
    const arrived = (at) => at.origin === target.origin && at.pathname === target.pathname;
    let request = { url: new URL(url), method: "GET" };
    let last;
    for (let hop = 0; hop < 20; hop++) {
      if (arrived(request.url)) return request;
      const response = await fetch(request.url, {
        method: request.method,
        body: request.method === "POST" ? request.sent : undefined,
        headers: { ...this.#header(request.url), ...(request.method === "POST" && { Origin: request.page.origin }) },
        redirect: "manual",
      });
      this.#keep(request.url, response.headers.getSetCookie());
      const location = response.headers.get("location");
      if (response.status >= 300 && response.status < 400 && location) {
        if (request.method === "POST" && response.status !== 303 && response.status !== 302) {
          throw new Error(`${request.url.pathname} sent a form on, by ${response.status}`);
        }
        request = { url: new URL(location, request.url), method: "GET" };
        continue;
      }
      const html = await response.text();
      const form = firstForm(html, request.url, this.fields);
      // The same form again means that it refused what was typed.
      const again = form && `${form.method} ${form.url.origin}${form.url.pathname} ${[...form.sent.keys()]}`;
      if (!response.ok || !form || again === last) {
        throw new Error(`${response.status} at ${request.url.origin}${request.url.pathname}: ${text(html)}`);
      }
      last = again;
      if (form.method === "GET") form.url.search = form.sent;
      request = { ...form, page: request.url };
    }
    throw new Error("20 steps led nowhere");
  }

  #keep(url, setCookies) {
    for (const line of setCookies) {
      const [pair, ...rest] = line.split(";").map((part) => part.trim());
      const [name, value] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
      const options = Object.fromEntries(rest.map((part) => {
        const [key, setting = ""] = part.split("=");
        return [key.toLowerCase(), setting];
      }));
      const path = options.path?.startsWith("/") ? options.path : "/";
      const gone = Number(options["max-age"] ?? 1) <= 0 || Date.parse(options.expires ?? "9999-01-01") < Date.now();
      const key = `${url.hostname} ${path} ${name}`;
      if (gone) this.#cookies.delete(key);
      else this.#cookies.set(key, { host: url.hostname, path, name, value, secure: "secure" in options });
    }
  }

  #header(url) {
    const under = (path) => url.pathname === path || url.pathname.startsWith(path.endsWith("/") ? path : path + "/");
    const sent = [...this.#cookies.values()].filter((cookie) =>
      cookie.host === url.hostname && under(cookie.path) && (!cookie.secure || url.protocol === "https:"));
    return sent.length > 0 ? { Cookie: sent.map(({ name, value }) => `${name}=${value}`).join("; ") } : {};
  }
}
