-- MAC keys rotate as signing keys do. max_lifetime (in seconds) is null for what lives until it is replaced.
ALTER TABLE mac_keys ADD COLUMN max_lifetime bigint, ADD COLUMN draining_at timestamptz;

-- The servers that run, and which revision of the keys each of them serves: whoever declares a key compromised
-- learns here when the last of them has let go of it.
CREATE TABLE nodes (
    id uuid CONSTRAINT nodes_pkey PRIMARY KEY,
    name text NOT NULL,
    keys_revision bigint NOT NULL,
    keys_loaded_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL
);
