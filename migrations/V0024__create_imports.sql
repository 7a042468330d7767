-- What users bring along besides their passwords. Who a user is at another provider: one account each.
CREATE TABLE identities (
    id uuid CONSTRAINT identities_pkey PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT identities_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    provider text NOT NULL,
    issuer text,
    subject text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT identities_provider_subject_key UNIQUE (provider, subject)
);
CREATE INDEX identities_user_id_idx ON identities (user_id);

-- Kept for the day when passkeys log in here.
CREATE TABLE passkeys (
    id uuid CONSTRAINT passkeys_pkey PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT passkeys_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    credential_id bytea NOT NULL CONSTRAINT passkeys_credential_id_key UNIQUE,
    -- A COSE key.
    public_key bytea NOT NULL,
    counter bigint NOT NULL,
    transports text[] NOT NULL,
    name text,
    backed_up boolean NOT NULL,
    device_type text NOT NULL,
    aaguid uuid,
    created_at timestamptz NOT NULL
);
CREATE INDEX passkeys_user_id_idx ON passkeys (user_id);

-- The SHA-256 of the token that a session had elsewhere: its cookie goes on to work, and the token rests nowhere.
CREATE TABLE imported_sessions (
    token_hash bytea CONSTRAINT imported_sessions_pkey PRIMARY KEY,
    session_id uuid NOT NULL CONSTRAINT imported_sessions_session_id_fkey REFERENCES sessions (id) ON DELETE CASCADE
);
CREATE INDEX imported_sessions_session_id_idx ON imported_sessions (session_id);
