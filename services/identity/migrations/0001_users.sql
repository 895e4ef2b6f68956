CREATE TABLE users (
    id                  uuid PRIMARY KEY,
    email               text NOT NULL CHECK (char_length(email) BETWEEN 3 AND 254),
    -- The e-mail address in lower case: one person is one user however they spell it.
    email_canonical     text NOT NULL UNIQUE,
    display_name        text NOT NULL CHECK (char_length(display_name) BETWEEN 1 AND 100),
    password_hash       text NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
    request_id          text NOT NULL CHECK (char_length(request_id) BETWEEN 1 AND 64),
    request_fingerprint bytea NOT NULL CHECK (octet_length(request_fingerprint) = 32),
    created_at          timestamptz NOT NULL
);
