-- email is kept as given; email_key is its canonical form, computed by the program, and decides who is who.
-- epoch moves when everything that was issued before must die (disable, password change, logout everywhere).
CREATE TABLE users (
    id uuid CONSTRAINT users_pkey PRIMARY KEY,
    email text NOT NULL,
    email_key text NOT NULL CONSTRAINT users_email_key_key UNIQUE,
    email_verified boolean NOT NULL,
    name text NOT NULL,
    password_hash text,
    -- The standard claims of OpenID Connect Core 1.0 section 5.1 that the user filled in, by claim name.
    profile jsonb NOT NULL DEFAULT '{}',
    epoch bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    last_login_at timestamptz,
    disabled_at timestamptz
) WITH (fillfactor = 80);
