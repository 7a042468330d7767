-- Spent by one conditional UPDATE on redeemed_at. A spent code stays as long as the family that it gave, because
-- seeing it again must end that (RFC 6749 section 4.1.2); it goes with the family. One that was never spent is
-- swept by its expiry, through an index that holds no other.
CREATE TABLE authorization_codes (
    code_hash bytea CONSTRAINT authorization_codes_pkey PRIMARY KEY,
    family_id uuid NOT NULL,
    client_id text NOT NULL,
    user_id uuid NOT NULL CONSTRAINT authorization_codes_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    session_id uuid NOT NULL,
    epoch bigint NOT NULL,
    redirect_uri text NOT NULL,
    code_challenge text,
    nonce text,
    scopes text[] NOT NULL,
    resources text[] NOT NULL,
    claims jsonb,
    auth_time timestamptz NOT NULL,
    acr text NOT NULL,
    amr text[] NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    redeemed_at timestamptz
);
CREATE INDEX authorization_codes_expires_at_idx ON authorization_codes (expires_at) WHERE redeemed_at IS NULL;
CREATE INDEX authorization_codes_family_id_idx ON authorization_codes (family_id);
CREATE INDEX authorization_codes_user_id_idx ON authorization_codes (user_id);
