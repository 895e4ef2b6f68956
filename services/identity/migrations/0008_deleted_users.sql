-- An entry USER_DELETED tells for ever that the user was here: whoever deletes them again finds it done.
ALTER TABLE audit_log ALTER COLUMN role DROP NOT NULL;
ALTER TABLE audit_log DROP CONSTRAINT audit_log_action_check;
ALTER TABLE audit_log ADD CONSTRAINT audit_log_action_check CHECK (
    action IN ('ROLE_GRANTED', 'ROLE_REVOKED') AND role IS NOT NULL
    OR action IN ('USER_DELETED', 'PASSWORD_CHANGED', 'REFRESH_TOKEN_REUSED') AND role IS NULL
);
