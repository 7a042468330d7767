-- One row a grant, however often it refreshes. Its updates stay heap-only: no index on a changing column,
-- and room on each page for the next version of a row.
CREATE TABLE token_families (
    id uuid CONSTRAINT token_families_pkey PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT token_families_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    client_id text NOT NULL,
    session_id uuid NOT NULL,
    epoch bigint NOT NULL,
    scopes text[] NOT NULL,
    resources text[] NOT NULL,
    claims jsonb,
    auth_time timestamptz NOT NULL,
    acr text NOT NULL,
    amr text[] NOT NULL,
    jkt text,
    rotates boolean NOT NULL,
    offline boolean NOT NULL,
    head bigint NOT NULL,
    head_kv integer NOT NULL,
    prev bigint,
    prev_at timestamptz,
    advanced_at timestamptz,
    prev2 bigint,
    prev2_at timestamptz,
    -- What became of the token presented last: the refresh reads its own verdict back from here.
    last_outcome text,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    idle_expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_reason text
) WITH (fillfactor = 50);
CREATE INDEX token_families_user_id_idx ON token_families (user_id);
CREATE INDEX token_families_session_id_idx ON token_families (session_id);
CREATE INDEX token_families_client_id_idx ON token_families (client_id);
CREATE INDEX token_families_expires_at_idx ON token_families (expires_at);
