-- A node polls these numbers and reloads its snapshot when one has moved; every change of the rows behind a
-- name moves the number in the same statement or transaction.
CREATE TABLE revisions (
    name text CONSTRAINT revisions_pkey PRIMARY KEY,
    revision bigint NOT NULL
);
INSERT INTO revisions (name, revision) VALUES ('keys', 0), ('registry', 0);
