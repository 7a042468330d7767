-- A browser that completed a login has a bucket of its own, so that a stranger's guesses lock nobody out. Each
-- login changes its row twice, in place where its page has room.
CREATE TABLE devices (
    token_hash bytea CONSTRAINT devices_pkey PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT devices_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    epoch bigint NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    window_started_at timestamptz,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX devices_user_id_idx ON devices (user_id);
CREATE INDEX devices_expires_at_idx ON devices (expires_at);
