-- Who a user is elsewhere is told by issuer and subject: an entry of the configuration that is given another issuer
-- inherits nobody. What was imported without an issuer has one that no provider can claim.
UPDATE identities SET issuer = 'urn:signet:provider:' || provider WHERE issuer IS NULL;
ALTER TABLE identities DROP CONSTRAINT identities_provider_subject_key;
ALTER TABLE identities ADD CONSTRAINT identities_issuer_subject_key UNIQUE (issuer, subject);
-- What the provider said of the user at the last sign-in: shown on the account page, and taken over on request.
ALTER TABLE identities ADD COLUMN profile jsonb NOT NULL DEFAULT '{}';
ALTER TABLE identities ADD COLUMN last_used_at timestamptz;
-- The provider's own tokens, encrypted, if the operator wants them kept.
ALTER TABLE identities ADD COLUMN tokens_sealed text;

-- A browser on its way to a provider and back. The key is the hash of state; code_verifier and nonce are MACs of it
-- and rest nowhere.
CREATE TABLE federation_attempts (
    state_hash bytea CONSTRAINT federation_attempts_pkey PRIMARY KEY,
    provider text NOT NULL,
    browser_hash bytea NOT NULL,
    -- The MAC key that code_verifier and nonce are made with.
    key_version integer NOT NULL,
    -- What it is for, and where it leads in the end.
    way jsonb NOT NULL,
    -- What the provider posted across sites, without the browser's cookies, encrypted until the browser comes with them.
    answer_sealed text,
    answered_at timestamptz,
    -- Who came, encrypted, while the user proves the account that has the address already.
    arrival_sealed text,
    joined_at timestamptz,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX federation_attempts_expires_at_idx ON federation_attempts (expires_at);

-- The entry of the configuration that a session came by: its logout may have to end the session there too.
ALTER TABLE sessions ADD COLUMN provider text;
