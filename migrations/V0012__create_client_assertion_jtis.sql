-- The jti of every client assertion seen, so that each is spent once (RFC 7523 section 3).
CREATE TABLE client_assertion_jtis (
    client_id text NOT NULL,
    jti_hash bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT client_assertion_jtis_pkey PRIMARY KEY (client_id, jti_hash)
);
CREATE INDEX client_assertion_jtis_expires_at_idx ON client_assertion_jtis (expires_at);
