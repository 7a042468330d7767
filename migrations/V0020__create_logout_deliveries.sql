-- Back-channel logout. What ended says so itself, to whoever asks which ends were not told yet: no way of ending a
-- session has to think of it. Each is found by a partial index that holds nothing but what is still to be told. None
-- of them stands on a column that a use of a session or a login changes: those updates stay heap-only.
ALTER TABLE sessions ADD COLUMN logout_told_at timestamptz;
UPDATE sessions SET logout_told_at = ended_at WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_logout_untold_idx ON sessions (ended_at) WHERE ended_at IS NOT NULL AND logout_told_at IS NULL;
-- The epoch before which all sessions of the user were told.
ALTER TABLE users ADD COLUMN logout_told_epoch bigint NOT NULL DEFAULT 0;
UPDATE users SET logout_told_epoch = epoch WHERE epoch > 0;
CREATE INDEX users_logout_untold_idx ON users (id) WHERE epoch > logout_told_epoch;

-- The queue: who is still to be told of the end of which session. A row stays until the client has heard of it or is
-- given up. user_id refers to nothing: a deleted user's clients must hear of it too. A claim moves next_attempt_at by
-- the time that an attempt may take, so what a node was at when it died falls due again.
CREATE TABLE logout_deliveries (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT logout_deliveries_pkey PRIMARY KEY,
    client_id text NOT NULL,
    session_id uuid NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    CONSTRAINT logout_deliveries_session_id_client_id_key UNIQUE (session_id, client_id)
) WITH (fillfactor = 70);
CREATE INDEX logout_deliveries_due_idx ON logout_deliveries (client_id, next_attempt_at);
CREATE INDEX logout_deliveries_created_at_idx ON logout_deliveries (created_at);
