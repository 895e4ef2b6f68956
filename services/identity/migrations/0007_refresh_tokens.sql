-- When the session got its last access token: what was issued before is dead by itself when it is old enough.
ALTER TABLE sessions ADD COLUMN last_issued_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX sessions_by_last_issue ON sessions (last_issued_at);
DROP INDEX sessions_by_age;

-- What sessions go on with. Each token is exchanged once, for its successor.
CREATE TABLE refresh_tokens (
    -- SHA-256: who reads the table signs in as nobody.
    hash       bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    session_id uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    issued_at  timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    -- The request_id of the exchange; NULL while the token is good.
    used_by    text CHECK (char_length(used_by) BETWEEN 1 AND 64)
);

-- However many exchanges there are at once, a session goes on in one way.
CREATE UNIQUE INDEX one_good_refresh_token ON refresh_tokens (session_id) WHERE used_by IS NULL;
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);
-- What the sweeper deletes.
CREATE INDEX refresh_tokens_by_end ON refresh_tokens (expires_at);
