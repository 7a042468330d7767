-- The outbox. A row is an intention: what is to be said, and to whom. Whether there is such an account, and whether
-- anything is to be said to it, is looked up when the mail is made, so that a request for an address that nobody has
-- costs what one for a known address does. No secret rests here: links and codes are MACs of the row's own id.
CREATE TABLE outgoing_mails (
    id uuid CONSTRAINT outgoing_mails_pkey PRIMARY KEY,
    kind text NOT NULL,
    -- The address as it was given, and its canonical form. Mail to an account goes to the account's own spelling.
    email text NOT NULL,
    email_key text NOT NULL,
    -- Refers to nothing: who was deleted is told of it.
    user_id uuid,
    params jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    -- A dead letter: nobody tries any more, and an operator can see why.
    failed_at timestamptz,
    failure text
) WITH (fillfactor = 70);
CREATE INDEX outgoing_mails_due_idx ON outgoing_mails (next_attempt_at) WHERE failed_at IS NULL;
CREATE INDEX outgoing_mails_failed_at_idx ON outgoing_mails (failed_at) WHERE failed_at IS NOT NULL;
CREATE INDEX outgoing_mails_email_key_idx ON outgoing_mails (email_key);
CREATE INDEX outgoing_mails_user_id_idx ON outgoing_mails (user_id);
