-- metadata holds the RFC 7591 members. A secret rests as HMAC-SHA-256 under the key of secret_key_version.
CREATE TABLE clients (
    id text CONSTRAINT clients_pkey PRIMARY KEY,
    metadata jsonb NOT NULL,
    secret_hash bytea,
    secret_key_version integer,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    disabled_at timestamptz
);
