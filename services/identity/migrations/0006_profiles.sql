-- Counts the changes that a user makes to their profile, and that are made to an address.
ALTER TABLE users ADD COLUMN version bigint NOT NULL DEFAULT 1 CHECK (version > 0);
ALTER TABLE addresses ADD COLUMN version bigint NOT NULL DEFAULT 1 CHECK (version > 0);

-- The address that the user chose to be used where none is named. NULL: the oldest one that there is. So a user who has
-- addresses has one default, whichever come and go, and it is one of theirs.
ALTER TABLE addresses ADD CONSTRAINT addresses_of_users UNIQUE (user_id, id);
ALTER TABLE users ADD COLUMN default_address_id uuid;
ALTER TABLE users ADD CONSTRAINT default_address_is_theirs
    FOREIGN KEY (id, default_address_id) REFERENCES addresses (user_id, id)
    ON DELETE SET NULL (default_address_id);

-- Who has the role, page by page.
CREATE INDEX user_roles_by_holder ON user_roles (role, user_id);
DROP INDEX user_roles_by_role;
