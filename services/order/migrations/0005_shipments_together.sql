-- Orders are CONFIRMED a hundred at a time: their shipments are made by one statement for all of them, no longer by one
-- for each, which took longer than confirming it. Whichever release of the service does it, as before.
CREATE FUNCTION shipments_follow_orders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH made AS (
        INSERT INTO shipments (order_id, shop_id)
        SELECT id, shop_id FROM changed, unnest(COALESCE(shop_ids, shops_of_lines(lines))) AS shop_id
        WHERE state = 'CONFIRMED'
        ON CONFLICT (order_id, shop_id) DO NOTHING
    )
    UPDATE shipments SET state = 'CANCELLED' FROM changed
    WHERE changed.state = 'CANCELLED' AND shipments.order_id = changed.id AND shipments.state = 'READY';
    RETURN NULL;
END
$$;

DROP TRIGGER shipments_follow_order ON orders;
DROP FUNCTION shipments_follow_order();

CREATE TRIGGER shipments_follow_orders AFTER UPDATE ON orders
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION shipments_follow_orders();
