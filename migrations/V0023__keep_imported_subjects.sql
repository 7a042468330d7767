-- Who moves in from another provider keeps the name that applications know them by: tokens say `subject` as `sub`,
-- and the id where it is null. No subject looks like an id, so that none can be another user's. The index holds none
-- but the imported ones.
ALTER TABLE users
    ADD COLUMN subject text CONSTRAINT users_subject_is_no_id
        CHECK (subject !~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'),
    -- Where an imported user comes from: importing the same again finds them.
    ADD COLUMN origin text;
CREATE UNIQUE INDEX users_subject_key ON users (subject) WHERE subject IS NOT NULL;

-- A deleted user's clients hear of the logout too, under the name that they know.
ALTER TABLE logout_deliveries ADD COLUMN subject text;

-- The names of imported users that were deleted, as SHA-256: none is ever given again, and none can be read here.
CREATE TABLE retired_subjects (
    subject_hash bytea CONSTRAINT retired_subjects_pkey PRIMARY KEY,
    retired_at timestamptz NOT NULL
);
