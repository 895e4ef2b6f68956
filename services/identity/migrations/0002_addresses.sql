CREATE TABLE addresses (
    id                  uuid PRIMARY KEY,
    user_id             uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    recipient           text NOT NULL CHECK (char_length(recipient) BETWEEN 1 AND 100),
    lines               text[] NOT NULL CHECK (cardinality(lines) BETWEEN 1 AND 3),
    city                text NOT NULL CHECK (char_length(city) BETWEEN 1 AND 100),
    region              text NOT NULL CHECK (char_length(region) <= 100),
    postal_code         text NOT NULL CHECK (char_length(postal_code) <= 16),
    country_code        text NOT NULL CHECK (country_code ~ '^[A-Z]{2}$'),
    request_id          text NOT NULL CHECK (char_length(request_id) BETWEEN 1 AND 64),
    request_fingerprint bytea NOT NULL CHECK (octet_length(request_fingerprint) = 32),
    created_at          timestamptz NOT NULL,
    UNIQUE (user_id, request_id)
);

-- A user's addresses are listed page by page, the oldest first.
CREATE INDEX addresses_by_age ON addresses (user_id, created_at, id);
