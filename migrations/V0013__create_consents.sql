-- What a user let a client have; asked for again only when a request goes beyond it.
CREATE TABLE consents (
    user_id uuid NOT NULL CONSTRAINT consents_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    client_id text NOT NULL,
    scopes text[] NOT NULL,
    resources text[] NOT NULL,
    claims text[] NOT NULL,
    granted_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT consents_pkey PRIMARY KEY (user_id, client_id)
);
