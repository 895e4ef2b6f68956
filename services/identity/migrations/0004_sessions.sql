-- Sign-ins. The tokens of one are good until they expire or it has ended.
CREATE TABLE sessions (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- When the user signed out.
    ended_at   timestamptz
);

CREATE INDEX sessions_by_user ON sessions (user_id, created_at);
-- What the sweeper deletes.
CREATE INDEX sessions_by_age ON sessions (created_at);
