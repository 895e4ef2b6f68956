-- Who sells what: shops with their people and rooms; works, their editions, and the offers of editions in shops.

CREATE TABLE shops (
    id                  uuid        PRIMARY KEY,
    name                text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    city                text        NOT NULL CHECK (char_length(city) BETWEEN 1 AND 100),
    version             bigint      NOT NULL DEFAULT 1 CHECK (version > 0),
    registered_by       uuid        NOT NULL,
    request_id          text        NOT NULL CHECK (char_length(request_id) BETWEEN 1 AND 64),
    request_fingerprint bytea       NOT NULL CHECK (octet_length(request_fingerprint) = 32),
    created_at          timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT shops_by_request UNIQUE (registered_by, request_id)
);

CREATE TABLE shop_members (
    shop_id   uuid        NOT NULL REFERENCES shops (id),
    user_id   uuid        NOT NULL,
    role      text        NOT NULL CHECK (role IN ('OWNER')),
    joined_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (shop_id, user_id)
);

-- A shop's first location is the one with the lowest id: ids are UUIDv7, which rise with time.
CREATE TABLE locations (
    id        uuid        PRIMARY KEY,
    shop_id   uuid        NOT NULL REFERENCES shops (id),
    name      text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    opened_at timestamptz NOT NULL DEFAULT now(),
    -- What stock refers to, so that it can't lie in another shop's room; also finds a shop's rooms in order.
    CONSTRAINT locations_by_shop UNIQUE (shop_id, id)
);

-- Two AddBooks speak of the same work when title and authors are alike; identity is the digest of both.
CREATE TABLE works (
    id         uuid        PRIMARY KEY,
    title      text        NOT NULL CHECK (char_length(title) BETWEEN 1 AND 500),
    sort_title text        NOT NULL GENERATED ALWAYS AS (lower(title)) STORED,
    authors    text[]      NOT NULL CHECK (cardinality(authors) BETWEEN 1 AND 20),
    identity   bytea       NOT NULL UNIQUE CHECK (octet_length(identity) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- The order in which books are listed.
    CONSTRAINT works_by_title UNIQUE (sort_title, id)
);

-- Carries its work's sort_title, kept true by the foreign key, so that one index lists a category by title.
CREATE TABLE work_categories (
    work_id    uuid NOT NULL,
    category   text NOT NULL CHECK (char_length(category) <= 50 AND category ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    sort_title text NOT NULL,
    PRIMARY KEY (work_id, category),
    FOREIGN KEY (sort_title, work_id) REFERENCES works (sort_title, id) ON UPDATE CASCADE
);
CREATE INDEX work_categories_by_title ON work_categories (category, sort_title, work_id);

-- Empty text and a year of 0 mean "not known": another AddBook of the same ISBN may fill them in.
CREATE TABLE editions (
    id             uuid        PRIMARY KEY,
    work_id        uuid        NOT NULL REFERENCES works (id),
    isbn           text        UNIQUE CHECK (isbn ~ '^97[89][0-9]{10}$'),
    publisher      text        NOT NULL CHECK (char_length(publisher) <= 200),
    published_year integer     NOT NULL CHECK (published_year BETWEEN -4000 AND 2100),
    language_code  text        NOT NULL CHECK (char_length(language_code) <= 35),
    description    text        NOT NULL CHECK (char_length(description) <= 10000),
    created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX editions_by_work ON editions (work_id, id);

CREATE TABLE offers (
    id                  uuid        PRIMARY KEY,
    shop_id             uuid        NOT NULL REFERENCES shops (id),
    edition_id          uuid        NOT NULL REFERENCES editions (id),
    price_minor_units   bigint      NOT NULL CHECK (price_minor_units > 0),
    currency_code       text        NOT NULL CHECK (currency_code ~ '^[A-Z]{3}$'),
    added_by            uuid        NOT NULL,
    request_id          text        NOT NULL CHECK (char_length(request_id) BETWEEN 1 AND 64),
    request_fingerprint bytea       NOT NULL CHECK (octet_length(request_fingerprint) = 32),
    created_at          timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT offers_by_request UNIQUE (added_by, request_id),
    CONSTRAINT offers_of_shop UNIQUE (shop_id, edition_id),
    -- What stock refers to.
    CONSTRAINT offers_by_shop UNIQUE (shop_id, id)
);
CREATE INDEX offers_by_price ON offers (edition_id, currency_code, price_minor_units, id);
