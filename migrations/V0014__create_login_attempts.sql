-- Wrong passwords an account, counted across nodes. The key is a MAC of the canonical address, so a row
-- tells neither the address nor whether the account exists.
CREATE TABLE login_attempts (
    account_mac bytea CONSTRAINT login_attempts_pkey PRIMARY KEY,
    attempts integer NOT NULL,
    window_started_at timestamptz NOT NULL
) WITH (fillfactor = 50);
