-- What users may do: a user has roles, a role allows permissions.

CREATE TABLE roles (
    name text COLLATE "C" PRIMARY KEY CHECK (name ~ '^[a-z_]{1,32}$')
);

CREATE TABLE role_permissions (
    role       text COLLATE "C" NOT NULL REFERENCES roles (name) ON DELETE CASCADE,
    permission text COLLATE "C" NOT NULL CHECK (permission ~ '^[a-z_]+\.[a-z_]+$'),
    PRIMARY KEY (role, permission)
);

INSERT INTO roles (name) VALUES ('admin'), ('customer'), ('shop_owner');

INSERT INTO role_permissions (role, permission) VALUES
    ('customer', 'orders.place'),
    ('shop_owner', 'shops.register'),
    ('admin', 'orders.place'),
    ('admin', 'shops.register'),
    ('admin', 'roles.grant'),
    ('admin', 'users.read'),
    ('admin', 'dead_letters.manage');

-- Access tokens carry it. It is also the version of the user as others know them: 1 at the registration.
ALTER TABLE users ADD COLUMN access_version bigint NOT NULL DEFAULT 1 CHECK (access_version > 0);

CREATE TABLE user_roles (
    user_id    uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role       text COLLATE "C" NOT NULL REFERENCES roles (name),
    -- NULL: nobody in person. Registration gave it, or the configuration.
    granted_by uuid REFERENCES users (id) ON DELETE SET NULL,
    granted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, role)
);

-- Who has the role? That somebody is admin is asked at each start.
CREATE INDEX user_roles_by_role ON user_roles (role);
-- For users who are deleted.
CREATE INDEX user_roles_by_granter ON user_roles (granted_by) WHERE granted_by IS NOT NULL;

INSERT INTO user_roles (user_id, role, granted_at) SELECT id, 'customer', created_at FROM users;

-- Whoever registers is a customer. A trigger, since the release before this one knows no roles and goes on registering
-- users during an upgrade and after a rollback.
CREATE FUNCTION register_as_customer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO user_roles (user_id, role, granted_at) VALUES (NEW.id, 'customer', NEW.created_at);
    RETURN NULL;
END;
$$;

CREATE TRIGGER registered_users_are_customers AFTER INSERT ON users
    FOR EACH ROW EXECUTE FUNCTION register_as_customer();

-- Without an admin nobody could make one. At the commit, so that one admin can take another's place in a transaction.
-- The lock lets those who take the role from somebody look one after the other; each sees what the one before did.
CREATE FUNCTION keep_an_admin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM roles WHERE name = 'admin' FOR NO KEY UPDATE;
    IF NOT EXISTS (SELECT 1 FROM user_roles WHERE role = 'admin') THEN
        RAISE EXCEPTION 'the last admin stays'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'last_admin_stays', TABLE = 'user_roles';
    END IF;
    RETURN NULL;
END;
$$;

CREATE CONSTRAINT TRIGGER last_admin_stays AFTER DELETE OR UPDATE ON user_roles
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.role = 'admin') EXECUTE FUNCTION keep_an_admin();

-- Who gave what to whom. No personal data, and no foreign keys: it outlives the users.
CREATE TABLE audit_log (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    happened_at timestamptz NOT NULL DEFAULT now(),
    -- Who did it; NULL for the configuration.
    actor       uuid,
    action      text NOT NULL CHECK (action IN ('ROLE_GRANTED', 'ROLE_REVOKED')),
    -- To whom.
    user_id     uuid NOT NULL,
    role        text COLLATE "C" NOT NULL
);

CREATE INDEX audit_log_by_user ON audit_log (user_id, id);
