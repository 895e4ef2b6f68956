-- What access tokens are signed with, and verified with: all rows are served.
CREATE TABLE signing_keys (
    -- Its name in the header of a token (RFC 7638), and its public half (RFC 8037).
    kid          text PRIMARY KEY CHECK (char_length(kid) = 43),
    x            text NOT NULL CHECK (char_length(x) = 43),
    -- The configured key that the private half is encrypted with. The configured key itself isn't stored.
    sealed_by    text NOT NULL CHECK (char_length(sealed_by) = 43),
    sealed       bytea,
    created_at   timestamptz NOT NULL DEFAULT now(),
    -- From when on it signs, until the next one does.
    active_at    timestamptz NOT NULL,
    -- Who asked for it, and by which request; NULL: nobody in person.
    requested_by uuid,
    request_id   text CHECK (char_length(request_id) BETWEEN 1 AND 64),
    CHECK ((sealed IS NULL) = (kid = sealed_by)),
    CHECK ((requested_by IS NULL) = (request_id IS NULL)),
    UNIQUE (requested_by, request_id)
);

ALTER TABLE audit_log ALTER COLUMN user_id DROP NOT NULL;
ALTER TABLE audit_log DROP CONSTRAINT audit_log_action_check;
ALTER TABLE audit_log ADD CONSTRAINT audit_log_action_check CHECK (
    action IN ('ROLE_GRANTED', 'ROLE_REVOKED') AND user_id IS NOT NULL AND role IS NOT NULL
    OR action IN ('USER_DELETED', 'PASSWORD_CHANGED', 'REFRESH_TOKEN_REUSED') AND user_id IS NOT NULL AND role IS NULL
    OR action = 'SIGNING_KEY_ROTATED' AND user_id IS NULL AND role IS NULL
);
