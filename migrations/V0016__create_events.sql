-- What someone may have to look at later: theft found, codes replayed. Ids only, never personal data.
CREATE TABLE events (
    at timestamptz NOT NULL,
    kind text NOT NULL,
    subject_id uuid NOT NULL
);
CREATE INDEX events_at_idx ON events (at);
