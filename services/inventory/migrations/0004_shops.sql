-- Shops with staff and several owners; offers that are withdrawn and come back; lists by shop, city, author and words.

ALTER TABLE shop_members
    DROP CONSTRAINT shop_members_role_check,
    ADD CONSTRAINT shop_members_role_check CHECK (role IN ('OWNER', 'STAFF'));

CREATE INDEX shop_members_by_user ON shop_members (user_id, shop_id);

-- A shop without an owner could never have one again. At the commit, so that one owner can take another's place in a
-- transaction. The lock lets those who take owners from a shop look one after the other; each sees what the one before
-- did.
CREATE FUNCTION keep_an_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM shops WHERE id = OLD.shop_id FOR NO KEY UPDATE;
    IF FOUND AND NOT EXISTS (SELECT 1 FROM shop_members WHERE shop_id = OLD.shop_id AND role = 'OWNER') THEN
        RAISE EXCEPTION 'the last owner stays'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'last_owner_stays', TABLE = 'shop_members';
    END IF;
    RETURN NULL;
END;
$$;

CREATE CONSTRAINT TRIGGER last_owner_stays AFTER DELETE OR UPDATE ON shop_members
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.role = 'OWNER') EXECUTE FUNCTION keep_an_owner();

-- Whatever the case, in every script: the database's own locale may know ASCII only, so ICU's is taken where the server
-- has it.
DO $$
DECLARE
    lowered text := CASE
        WHEN EXISTS (SELECT 1 FROM pg_collation WHERE collname = 'und-x-icu' AND collnamespace = 'pg_catalog'::regnamespace)
        THEN 'lower($1 COLLATE pg_catalog."und-x-icu") COLLATE "default"'
        ELSE 'lower($1)'
    END;
BEGIN
    EXECUTE format('CREATE FUNCTION folded(text) RETURNS text
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN %s', lowered);
END;
$$;

CREATE INDEX shops_by_name ON shops (folded(name), id);
CREATE INDEX shops_by_city ON shops (folded(city), folded(name), id);

-- A withdrawn offer is hidden and can't be ordered; reservations, orders and movements go on naming it.
ALTER TABLE offers ADD COLUMN withdrawn_at timestamptz;

-- The requests that brought withdrawn offers back. Those that made them stand in the offers themselves.
CREATE TABLE offer_returns (
    brought_back_by     uuid        NOT NULL,
    request_id          text        NOT NULL CHECK (char_length(request_id) BETWEEN 1 AND 64),
    request_fingerprint bytea       NOT NULL CHECK (octet_length(request_fingerprint) = 32),
    offer_id            uuid        NOT NULL REFERENCES offers (id),
    brought_back_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (brought_back_by, request_id)
);

-- The authors' names as a list is asked for them: whatever the case.
CREATE FUNCTION folded_names(names text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN ARRAY(SELECT folded(name) FROM unnest(names) AS name);

CREATE INDEX works_by_author ON works USING gin (folded_names(authors));

-- The words of a text: runs of letters and digits, whatever the case and without accents. Postgres' own parser would
-- take "J.R.R" for a host and "and/or" for a file. Cut after a hundred characters, since an index refuses the longest.
CREATE FUNCTION words_of(content text) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN array_remove(
        string_to_array(
            regexp_replace(
                regexp_replace(
                    regexp_replace(normalize(folded(content), NFKD), '[\u0300-\u036f]', '', 'g'),
                    '[\s\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f]+', ' ', 'g'),
                '(\S{100})\S+', '\1', 'g'),
            ' '),
        '');

-- By which words a work is found. Not in SQL, which would be planned anew for every row. ANALYZE and REINDEX look for
-- words_of where the migration does: from Postgres 17 on they look nowhere else by themselves.
CREATE FUNCTION work_words(title text, authors text[]) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path FROM CURRENT AS $$
BEGIN
    RETURN array_to_tsvector(words_of(title || ' ' || array_to_string(authors, ' ')));
END;
$$;

CREATE INDEX works_by_words ON works USING gin (work_words(title, authors));

-- Works with each of these words, the last one perhaps unfinished. NULL if there is no word in it.
CREATE FUNCTION words_wanted(content text) RETURNS tsquery
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (SELECT (string_agg(quote_literal(word), ' & ') || ':*')::tsquery FROM unnest(words_of(content)) AS word);
