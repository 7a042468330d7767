-- A session whose user did not ask to be remembered: its cookie ends with the browser, and its life is fixed at the
-- login. Whoever does not know the column begins sessions that are remembered, as they all were.
ALTER TABLE sessions ADD COLUMN remembered boolean NOT NULL DEFAULT true;
