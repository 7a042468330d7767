-- An API: its identifier is the resource that clients ask for (RFC 8707) and the aud of its tokens.
CREATE TABLE resources (
    identifier text CONSTRAINT resources_pkey PRIMARY KEY,
    name text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
