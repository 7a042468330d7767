-- What a mailed link or code may do, once. The id is that of the mail; link and code are MACs of it and rest nowhere.
-- epoch is the user's at the time: all links of a user die when it moves. A link without one outlives that.
CREATE TABLE mailed_links (
    id uuid CONSTRAINT mailed_links_pkey PRIMARY KEY,
    purpose text NOT NULL,
    user_id uuid CONSTRAINT mailed_links_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    epoch bigint,
    -- The address that whoever presents it has proven to read.
    email text NOT NULL,
    email_key text NOT NULL,
    details jsonb NOT NULL,
    -- The browser that asked for it.
    browser_hash bytea,
    attempts integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX mailed_links_user_id_idx ON mailed_links (user_id);
CREATE INDEX mailed_links_email_key_idx ON mailed_links (email_key, purpose);
CREATE INDEX mailed_links_expires_at_idx ON mailed_links (expires_at);

-- Which browser made an account whose address is not proven yet, and what it called itself: the page that a mailed
-- link opens elsewhere names it, so that nobody confirms a stranger's signup.
ALTER TABLE users ADD COLUMN signup_browser_hash bytea;
ALTER TABLE users ADD COLUMN signup_user_agent text;

-- Users may see what is kept of them.
CREATE INDEX events_subject_id_idx ON events (subject_id);
