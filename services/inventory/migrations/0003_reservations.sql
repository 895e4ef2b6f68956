-- Stock set aside for orders.

CREATE TABLE reservations (
    id          uuid        PRIMARY KEY,
    key         text        NOT NULL UNIQUE CHECK (char_length(key) BETWEEN 1 AND 128),
    fingerprint bytea       NOT NULL CHECK (octet_length(fingerprint) = 32),
    state       text        NOT NULL CHECK (state IN ('HELD', 'COMMITTED', 'RELEASED', 'EXPIRED', 'RESTOCKED')),
    -- [{offer_id, edition_id, shop_id, title, quantity, unit_price_minor_units, currency_code,
    --   picks: [{location_id, quantity}]}], in the order asked for; uuids as Postgres writes them.
    lines       jsonb       NOT NULL CHECK (jsonb_typeof(lines) = 'array' AND jsonb_array_length(lines) BETWEEN 1 AND 100),
    expires_at  timestamptz NOT NULL,
    version     bigint      NOT NULL DEFAULT 1 CHECK (version > 0),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
-- What the sweeper looks for: small, since only open reservations are in it.
CREATE INDEX reservations_open ON reservations (expires_at) WHERE state = 'HELD';

-- Stock rows that don't add up: on_hand is the sum of the movements, reserved the sum of the open reservations.
-- Empty at any moment.
CREATE VIEW stock_discrepancies AS
WITH moved AS (
    SELECT offer_id, location_id, sum(change)::bigint AS on_hand
    FROM stock_movements
    GROUP BY offer_id, location_id
), held AS (
    SELECT (line ->> 'offer_id')::uuid AS offer_id, (pick ->> 'location_id')::uuid AS location_id,
           sum((pick ->> 'quantity')::bigint)::bigint AS reserved
    FROM reservations, jsonb_array_elements(lines) AS line, jsonb_array_elements(line -> 'picks') AS pick
    WHERE state = 'HELD'
    GROUP BY 1, 2
)
SELECT offer_id, location_id, stock.on_hand, stock.reserved,
       coalesce(moved.on_hand, 0) AS on_hand_moved, coalesce(held.reserved, 0) AS reserved_held
FROM stock
FULL JOIN moved USING (offer_id, location_id)
FULL JOIN held USING (offer_id, location_id)
WHERE stock.on_hand IS DISTINCT FROM coalesce(moved.on_hand, 0)
   OR stock.reserved IS DISTINCT FROM coalesce(held.reserved, 0);
