-- Shops with several rooms; feeds of books; copies that customers return.

-- CreateLocation: who asked. The first room came with the shop. No name that a query of an earlier release, which joins
-- locations with stock_movements, takes from there without saying so.
ALTER TABLE locations
    ADD COLUMN opened_by       uuid,
    ADD COLUMN opening_request text  CHECK (char_length(opening_request) BETWEEN 1 AND 64),
    ADD COLUMN opening_digest  bytea CHECK (octet_length(opening_digest) = 32),
    ADD CHECK (num_nulls(opened_by, opening_request, opening_digest) IN (0, 3));
CREATE UNIQUE INDEX locations_by_request ON locations (opened_by, opening_request) WHERE opening_request IS NOT NULL;

-- Nobody knows who wrote some works, and too many wrote others.
ALTER TABLE works
    DROP CONSTRAINT works_authors_check,
    ADD CONSTRAINT works_authors_check CHECK (cardinality(authors) BETWEEN 0 AND 50);

-- By which the shop's feed knows the book.
ALTER TABLE offers ADD COLUMN feed_key text CHECK (char_length(feed_key) BETWEEN 1 AND 100);
CREATE UNIQUE INDEX offers_by_feed_key ON offers (shop_id, feed_key) WHERE feed_key IS NOT NULL;

-- How many copies the last feed said there are. The next one is compared with it: sales here are none of the feed's.
ALTER TABLE stock ADD COLUMN fed bigint CHECK (fed >= 0);

-- Which row of an import was which book, for a day: a second row for one book is refused, whichever call brings it.
CREATE TABLE import_marks (
    shop_id   uuid        NOT NULL,
    import_id text        NOT NULL CHECK (char_length(import_id) BETWEEN 1 AND 64),
    offer_id  uuid        NOT NULL,
    number    bigint      NOT NULL,
    marked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (shop_id, import_id, offer_id)
);
CREATE INDEX import_marks_by_age ON import_marks (marked_at);

ALTER TABLE stock_movements
    ADD COLUMN return_id uuid,
    DROP CONSTRAINT stock_movements_kind_check,
    ADD CONSTRAINT stock_movements_kind_check
        CHECK (kind IN ('INITIAL', 'ADJUSTED', 'COUNTED', 'SOLD', 'RESTOCKED', 'RETURNED', 'IMPORTED')),
    -- What was sold, put back or returned.
    DROP CONSTRAINT stock_movements_check1,
    ADD CONSTRAINT stock_movements_check1
        CHECK ((kind IN ('SOLD', 'RESTOCKED', 'RETURNED')) = (reservation_id IS NOT NULL)),
    ADD CONSTRAINT stock_movements_of_returns CHECK ((kind = 'RETURNED') = (return_id IS NOT NULL));
-- A return puts its copies back once.
CREATE UNIQUE INDEX stock_movements_by_return ON stock_movements (return_id, offer_id, location_id)
    WHERE return_id IS NOT NULL;
-- What of a reservation has come back already.
CREATE INDEX stock_movements_returned ON stock_movements (reservation_id) WHERE return_id IS NOT NULL;
CREATE INDEX stock_movements_by_offer ON stock_movements (offer_id, id);
