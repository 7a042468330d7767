// What the documentations of GitHub, Discord and Facebook say that each answers, in the places where an Enterprise
// Server or a test puts them, and what the one of nobody's brand does, by RFC 6749 and RFC 6750.

const GITHUB_DOCS = "https://docs.github.com";
const TROUBLES = `${GITHUB_DOCS}/apps/oauth-apps/maintaining-oauth-apps/troubleshooting-oauth-app-access-token-request-errors/`;
const trouble = (error, error_description) =>
  // Status 200: a client that only looks at the status takes it for an answer.
  [200, { error, error_description, error_uri: `${TROUBLES}#${error.replaceAll("_", "-")}` }];
const graphError = (status, message, type, code) =>
  [status, { error: { message, type, code, fbtrace_id: "AbCdEfGhIjK" } }];

export const APIS = {
  github: {
    places: {
      "/login/oauth/authorize": "authorize",
      "/login/oauth/access_token": "token",
      "/api/v3/user": "user",
      "/api/v3/user/emails": "emails",
    },
    prefix: "gho_",
    answersInForms: true,
    wantsUserAgent: true,
    denied: {
      error: "access_denied",
      error_description: "The user has denied your application access.",
      error_uri: `${GITHUB_DOCS}/apps/oauth-apps/maintaining-oauth-apps/troubleshooting-authorization-request-errors/#access-denied`,
    },
    refusals: {
      client: trouble("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect."),
      redirect: trouble("redirect_uri_mismatch", "The redirect_uri MUST match the registered callback URL for this application."),
      code: trouble("bad_verification_code", "The code passed is incorrect or expired."),
    },
    granted: ({ access }, scopes) => ({ access_token: access, scope: scopes.join(","), token_type: "bearer" }),
    unauthorized: [401, { message: "Bad credentials", documentation_url: `${GITHUB_DOCS}/rest`, status: "401" }],
    notFound: [404, { message: "Not Found", documentation_url: `${GITHUB_DOCS}/rest`, status: "404" }],
    limited: () => [
      403,
      { message: "API rate limit exceeded for user ID 583231.", documentation_url: `${GITHUB_DOCS}/rest/using-the-rest-api/rate-limits-for-the-rest-api` },
      {
        "x-ratelimit-limit": "5000", "x-ratelimit-remaining": "0", "x-ratelimit-used": "5001",
        "x-ratelimit-reset": String(Math.floor(Date.now() / 1000) + 3600), "x-ratelimit-resource": "core",
      },
    ],
    headers: (scopes) => ({ "x-oauth-scopes": scopes.join(", "), "x-ratelimit-limit": "5000", "x-ratelimit-remaining": "4999" }),
    shows: {
      user: ({ user }) => user,
      emails: ({ emails }, scopes) => (scopes.some((scope) => ["user", "user:email"].includes(scope)) ? emails : null),
    },
  },

  discord: {
    places: {
      "/oauth2/authorize": "authorize",
      "/api/oauth2/token": "token",
      "/api/users/@me": "user",
    },
    prefix: "",
    takesBasic: true,
    refreshes: true,
    denied: { error: "access_denied", error_description: "The resource owner or authorization server denied the request" },
    refusals: {
      client: [401, { error: "invalid_client" }],
      redirect: [400, { error: "invalid_grant", error_description: 'Invalid "redirect_uri" in request.' }],
      code: [400, { error: "invalid_grant", error_description: 'Invalid "code" in request.' }],
    },
    granted: ({ access, refresh }, scopes) => ({
      access_token: access, token_type: "Bearer", expires_in: 604800, refresh_token: refresh, scope: scopes.join(" "),
    }),
    unauthorized: [401, { message: "401: Unauthorized", code: 0 }],
    notFound: [404, { message: "404: Not Found", code: 0 }],
    limited: () => [
      429,
      { message: "You are being rate limited.", retry_after: 64.57, global: false },
      {
        "Retry-After": "65", "X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": String(Date.now() / 1000 + 65), "X-RateLimit-Reset-After": "64.57",
        "X-RateLimit-Bucket": "abcd1234", "X-RateLimit-Scope": "user",
      },
    ],
    shows: {
      // Both are there with the scope `email` only.
      user: ({ user: { email, verified, ...user } }, scopes) =>
        scopes.includes("identify") && (scopes.includes("email") ? { ...user, email, verified } : user),
    },
  },

  facebook: {
    places: { "/dialog/oauth": "authorize", "/oauth/access_token": "token", "/me": "user" },
    prefix: "EAA",
    takesQuery: true,
    denied: { error: "access_denied", error_reason: "user_denied", error_description: "Permissions error" },
    refusals: {
      client: graphError(400, "Error validating client secret.", "OAuthException", 1),
      redirect: graphError(400, "Error validating verification code. Please make sure your redirect_uri is identical " +
        "to the one you used in the OAuth dialog request", "OAuthException", 100),
      code: graphError(400, "This authorization code has been used.", "OAuthException", 100),
    },
    granted: ({ access }) => ({ access_token: access, token_type: "bearer", expires_in: 5183944 }),
    unauthorized: graphError(400, "Invalid OAuth access token - Cannot parse access token", "OAuthException", 190),
    notFound: graphError(404, "Unknown path components", "OAuthException", 2500),
    limited: () => graphError(400, "(#4) Application request limit reached", "OAuthException", 4),
    shows: {
      // Only the fields that are asked for; an address only with leave, and only a confirmed one.
      user: ({ user }, scopes, query) => {
        const fields = (query.get("fields") ?? "id,name").split(",").map((field) => field.split(".")[0]);
        const shown = Object.entries(user).filter(([name]) => fields.includes(name) || name === "id");
        return Object.fromEntries(shown.filter(([name]) => name !== "email" || scopes.includes("email")));
      },
    },
  },

  oauth2: {
    places: { "/authorize": "authorize", "/token": "token", "/members/self": "user" },
    prefix: "",
    takesBasic: true,
    denied: { error: "access_denied" },
    refusals: {
      client: [401, { error: "invalid_client" }],
      redirect: [400, { error: "invalid_grant" }],
      code: [400, { error: "invalid_grant" }],
    },
    granted: ({ access }, scopes) => ({ access_token: access, token_type: "Bearer", expires_in: 3600, scope: scopes.join(" ") }),
    unauthorized: [401, { error: "invalid_token" }],
    notFound: [404, { error: "not_found" }],
    limited: () => [429, { error: "slow_down" }, { "Retry-After": "60" }],
    shows: { user: ({ user }, scopes) => scopes.includes("member") && user },
  },
};
