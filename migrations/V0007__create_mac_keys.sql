-- Versioned keys for HMAC-SHA-256, one set a purpose, wrapped like signing keys.
CREATE TABLE mac_keys (
    purpose text NOT NULL,
    version integer NOT NULL,
    wrapped text NOT NULL,
    master_key text NOT NULL,
    published_at timestamptz NOT NULL,
    signing_at timestamptz,
    retired_at timestamptz,
    compromised_at timestamptz,
    CONSTRAINT mac_keys_pkey PRIMARY KEY (purpose, version)
);
