-- A pending /oauth2/authorize, so that tabs, the back button and a restored window all finish. browser_hash
-- is set by the first browser that opens it, and no other may go on with it.
CREATE TABLE authorization_requests (
    id uuid CONSTRAINT authorization_requests_pkey PRIMARY KEY,
    client_id text NOT NULL,
    request jsonb NOT NULL,
    browser_hash bytea,
    -- What was done for this request: a fresh login gave this session, this account was chosen, this consent given.
    authenticated_session_id uuid,
    consented_at timestamptz,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX authorization_requests_expires_at_idx ON authorization_requests (expires_at);
