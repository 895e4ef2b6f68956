-- How much of each offer lies where, and every change of it.

-- No index but the key: on_hand and reserved change all the time, and an index on either would end HOT updates.
CREATE TABLE stock (
    offer_id    uuid   NOT NULL,
    location_id uuid   NOT NULL,
    shop_id     uuid   NOT NULL,
    on_hand     bigint NOT NULL DEFAULT 0,
    reserved    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (offer_id, location_id),
    FOREIGN KEY (shop_id, offer_id) REFERENCES offers (shop_id, id),
    FOREIGN KEY (shop_id, location_id) REFERENCES locations (shop_id, id),
    -- The last word against overselling, whatever the code does.
    CONSTRAINT stock_is_not_oversold CHECK (0 <= reserved AND reserved <= on_hand)
);

-- Every change of on_hand. A count that found what was expected is a row with a change of 0.
CREATE TABLE stock_movements (
    id                  bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    offer_id            uuid        NOT NULL,
    location_id         uuid        NOT NULL,
    change              bigint      NOT NULL,
    kind                text        NOT NULL CHECK (kind IN ('INITIAL', 'ADJUSTED', 'COUNTED', 'SOLD', 'RESTOCKED')),
    -- Why a person changed it.
    reason              text        NOT NULL DEFAULT '' CHECK (char_length(reason) <= 200),
    -- What was sold or put back.
    reservation_id      uuid,
    -- AdjustStock: who asked, and what they were answered.
    adjusted_by         uuid,
    request_id          text        CHECK (char_length(request_id) BETWEEN 1 AND 64),
    request_fingerprint bytea       CHECK (octet_length(request_fingerprint) = 32),
    on_hand_after       bigint,
    reserved_after      bigint,
    moved_at            timestamptz NOT NULL DEFAULT now(),
    CHECK (change <> 0 OR kind = 'COUNTED'),
    CHECK ((kind IN ('SOLD', 'RESTOCKED')) = (reservation_id IS NOT NULL)),
    CHECK (num_nulls(adjusted_by, request_id, request_fingerprint, on_hand_after, reserved_after)
           = CASE WHEN kind IN ('ADJUSTED', 'COUNTED') THEN 0 ELSE 5 END)
);
CREATE UNIQUE INDEX stock_movements_by_request ON stock_movements (adjusted_by, request_id)
    WHERE request_id IS NOT NULL;
