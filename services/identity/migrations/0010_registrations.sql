-- Which request registered whom, for some weeks: a repeat that comes late finds it, whatever e-mail address the user has
-- by then, and although they may be gone.
CREATE TABLE registrations (
    -- HMAC-SHA-256 of the request_id and the e-mail address: tells nobody who registered.
    request    bytea PRIMARY KEY CHECK (octet_length(request) = 32),
    -- HMAC-SHA-256 of what was asked for, but for the password.
    body       bytea NOT NULL CHECK (octet_length(body) = 32),
    -- Refers to nothing: it stays when the user goes.
    user_id    uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- What the sweeper deletes.
CREATE INDEX registrations_by_age ON registrations (created_at);
