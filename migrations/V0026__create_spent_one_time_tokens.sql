-- One-time tokens are MACs and rest nowhere: handing one out writes nothing, and spending it leaves its hash here
-- until it would have expired.
CREATE TABLE spent_one_time_tokens (
    token_hash bytea CONSTRAINT spent_one_time_tokens_pkey PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX spent_one_time_tokens_expires_at_idx ON spent_one_time_tokens (expires_at);
