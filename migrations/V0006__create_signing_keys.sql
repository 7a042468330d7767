-- The state of a key follows from its times alone, so every node computes the same one. max_lifetime (in
-- seconds) is the longest life of a token that any node may have signed with it.
CREATE TABLE signing_keys (
    kid text CONSTRAINT signing_keys_pkey PRIMARY KEY,
    alg text NOT NULL,
    public_jwk jsonb NOT NULL,
    -- JWE of the private JWK under the master key whose fingerprint stands beside it.
    wrapped text,
    master_key text NOT NULL,
    location text NOT NULL DEFAULT 'database',
    max_lifetime bigint NOT NULL DEFAULT 0,
    published_at timestamptz NOT NULL,
    signing_at timestamptz,
    draining_at timestamptz,
    retired_at timestamptz,
    compromised_at timestamptz
);
