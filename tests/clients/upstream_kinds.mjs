// How Google, Microsoft, Apple and GitLab differ from each other and from a provider that is nobody's brand, as far as a client of theirs can tell.
import { importSPKI, jwtVerify } from "jose";

/** The tenant whose issuer Microsoft-like providers are, unless an account says another `tid`. */
export const TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad";

const MICROSOFT_CLAIMS = ["tid", "oid", "preferred_username", "ver"];

/** What each kind sets in the library, and what it does around it. */
export const KINDS = {
  google: {
    authMethod: "client_secret_basic",
    claims: { openid: ["sub", "hd"], email: ["email", "email_verified"], profile: ["name", "picture", "given_name"] },
  },

  // Users of every tenant come through /common; `iss` names the tenant that the user is of, and the document of
  // /common has its issuer with a hole ("OpenID Connect on the Microsoft identity platform").
  microsoft: {
    authMethod: "client_secret_post",
    path: `/${TENANT}/v2.0`,
    alias: "/common/v2.0",
    claims: { openid: ["sub", ...MICROSOFT_CLAIMS], email: ["email", "email_verified"], profile: ["name"] },
    silentIss: true,
    account: (claims) => ({ tid: TENANT, ver: "2.0", ...claims }),
    issuer: (base, claims) => `${base}/${claims.tid}/v2.0`,
    template: (base) => `${base}/{tenantid}/v2.0`,
  },

  // "Sign in with Apple REST API": no userinfo, no logout, answers by form, the name once and never signed, and a
  // client secret that the client signs.
  apple: {
    authMethod: "client_secret_post",
    scopes: ["name"],
    routes: { authorization: "/auth/authorize", token: "/auth/token", jwks: "/auth/keys" },
    claims: { openid: ["sub", "is_private_email"], email: ["email", "email_verified"] },
    silentIss: true,
    bare: true,
    formOnly: true,
    denial: "user_cancelled_authorize",
    takesSecret: appleSecret,
  },

  // "GitLab as OpenID Connect identity provider".
  gitlab: {
    authMethod: "client_secret_basic",
    claims: {
      openid: ["sub"],
      email: ["email", "email_verified"],
      profile: ["name", "nickname", "preferred_username", "picture"],
    },
  },

  // The library as it is by itself: ID tokens tell of the person what userinfo does not (OpenID Connect Core 1.0 §5.4).
  oidc: {
    authMethod: "client_secret_basic",
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    conforms: true,
  },
};

/** Half a year, in seconds: the longest that Apple takes a client secret for. */
const LONGEST = 15_777_000;

/** Whether Apple would take this client secret ("Creating a client secret"). */
async function appleSecret(secret, { client, base }) {
  try {
    const key = await importSPKI(client.public_key, "ES256");
    const { payload, protectedHeader } = await jwtVerify(secret, key, {
      algorithms: ["ES256"],
      issuer: client.team_id,
      subject: client.id,
      audience: base,
      requiredClaims: ["iat", "exp"],
    });
    return protectedHeader.kid === client.key_id && payload.exp - payload.iat <= LONGEST;
  } catch (error) {
    console.error(`client secret refused: ${error.message}`);
    return false;
  }
}
