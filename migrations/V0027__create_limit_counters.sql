-- What somebody did in a window of time, counted across nodes: a row a purpose and whoever is counted. The key is a MAC,
-- so a row tells neither an address nor whether there is an account. An attempt changes its row in place, since the end
-- of the window, which the sweep looks for, stands still meanwhile.
CREATE TABLE limit_counters (
    key_mac bytea CONSTRAINT limit_counters_pkey PRIMARY KEY,
    attempts integer NOT NULL,
    window_ends_at timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX limit_counters_window_ends_at_idx ON limit_counters (window_ends_at);

-- Until when an account that is guessed at waits, for browsers that never logged in to it.
ALTER TABLE login_attempts ADD COLUMN blocked_until timestamptz;
