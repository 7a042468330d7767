-- What the access tokens for an API are signed with, for verifiers that know no EdDSA: null is EdDSA. Nodes of
-- the version before sign with EdDSA whatever stands here, so choose only when none of them is left.
ALTER TABLE resources ADD COLUMN access_token_signing_alg text;
