-- Cards, shipping, returns, and what other services tell of people and shops.

ALTER TABLE orders
    DROP CONSTRAINT orders_state_check,
    ADD CONSTRAINT orders_state_check CHECK (state IN (
        'PENDING', 'CONFIRMED', 'CANCELLED', 'PARTIALLY_SHIPPED', 'SHIPPED', 'DELIVERED', 'RETURN_REQUESTED', 'RETURNED'
    )),
    DROP CONSTRAINT orders_cancel_reason_check,
    ADD CONSTRAINT orders_cancel_reason_check CHECK (cancel_reason IN (
        'CUSTOMER_REQUEST', 'INSUFFICIENT_FUNDS', 'PAYMENT_DECLINED', 'PAYMENT_TIMEOUT', 'STOCK_LOST', 'STAFF'
    )),
    DROP CONSTRAINT orders_payment_method_check,
    ADD CONSTRAINT orders_payment_method_check CHECK (payment_method IN ('WALLET', 'CARD')),
    ADD COLUMN card_id uuid,
    ADD CONSTRAINT orders_card_check CHECK ((payment_method = 'CARD') = (card_id IS NOT NULL)),
    ADD COLUMN payment_failure_reason text,
    -- As the customer was called when the order was placed; empty once the customer is gone.
    ADD COLUMN customer_name text NOT NULL DEFAULT '',
    -- Given back so far, as payment told.
    ADD COLUMN refunded bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT orders_refunded_check CHECK (refunded BETWEEN 0 AND total),
    -- What returns that were asked for or accepted come to.
    ADD COLUMN claimed bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT orders_claimed_check CHECK (claimed BETWEEN 0 AND total),
    -- Of its lines, each once. Orders that the release before this one placed have none.
    ADD COLUMN shop_ids uuid[],
    -- From CONFIRMED on it is paid and has its stock; all of it may have been given back since.
    DROP CONSTRAINT orders_check1,
    ADD CONSTRAINT orders_paid_check CHECK (
        state IN ('PENDING', 'CANCELLED') OR (payment_state IN ('CAPTURED', 'REFUNDED') AND stock_state = 'COMMITTED')
    );

ALTER TABLE order_history
    DROP CONSTRAINT order_history_state_check,
    ADD CONSTRAINT order_history_state_check CHECK (state IN (
        'PENDING', 'CONFIRMED', 'CANCELLED', 'PARTIALLY_SHIPPED', 'SHIPPED', 'DELIVERED', 'RETURN_REQUESTED', 'RETURNED'
    )),
    DROP CONSTRAINT order_history_actor_check,
    ADD CONSTRAINT order_history_actor_check CHECK (actor IN ('CUSTOMER', 'SYSTEM', 'SHOP', 'STAFF'));

-- What one shop sends of an order.
CREATE TABLE shipments (
    order_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'READY' CHECK (state IN ('READY', 'SHIPPED', 'DELIVERED', 'CANCELLED')),
    tracking_number text NOT NULL DEFAULT '',
    carrier text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    shipped_at timestamptz,
    delivered_at timestamptz,
    PRIMARY KEY (order_id, shop_id),
    CHECK ((state IN ('SHIPPED', 'DELIVERED')) = (shipped_at IS NOT NULL)),
    CHECK ((state IN ('SHIPPED', 'DELIVERED')) = (tracking_number <> '')),
    CHECK ((state = 'DELIVERED') = (delivered_at IS NOT NULL))
);

-- What a shop has to send and has sent, the oldest first.
CREATE INDEX shipments_by_shop ON shipments (shop_id, created_at, order_id);
CREATE INDEX shipments_ready ON shipments (shop_id, created_at, order_id) WHERE state = 'READY';

-- The uuid of a TypeID: 26 digits of Crockford's base 32, the first two bits of which are zero.
CREATE FUNCTION uuid_of_type_id(type_id text) RETURNS uuid IMMUTABLE STRICT LANGUAGE sql AS $$
    SELECT (lpad(to_hex(substr(bits, 3, 64)::bit(64)::bigint), 16, '0')
            || lpad(to_hex(substr(bits, 67, 64)::bit(64)::bigint), 16, '0'))::uuid
    FROM (
        SELECT string_agg(
            (strpos('0123456789abcdefghjkmnpqrstvwxyz', digit) - 1)::bit(5)::text, '' ORDER BY place
        ) AS bits
        FROM string_to_table(right(type_id, 26), NULL) WITH ORDINALITY AS digits (digit, place)
    ) AS decoded
$$;

CREATE FUNCTION shops_of_lines(lines jsonb) RETURNS uuid[] IMMUTABLE STRICT LANGUAGE sql AS $$
    SELECT array_agg(DISTINCT uuid_of_type_id(line ->> 'shop_id')) FROM jsonb_array_elements(lines) AS line
$$;

-- An order that is CONFIRMED has its shipments, and one that is CANCELLED sends none, whichever release of the service
-- makes it so: while replicas are replaced one by one, those of the release before know of no shipments.
CREATE FUNCTION shipments_follow_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'CONFIRMED' THEN
        INSERT INTO shipments (order_id, shop_id)
        SELECT NEW.id, shop_id FROM unnest(COALESCE(NEW.shop_ids, shops_of_lines(NEW.lines))) AS shop_id
        ON CONFLICT (order_id, shop_id) DO NOTHING;
    ELSE
        UPDATE shipments SET state = 'CANCELLED' WHERE order_id = NEW.id AND state = 'READY';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER shipments_follow_order AFTER UPDATE ON orders FOR EACH ROW
WHEN ((OLD.state = 'PENDING' AND NEW.state = 'CONFIRMED') OR (OLD.state = 'CONFIRMED' AND NEW.state = 'CANCELLED'))
EXECUTE FUNCTION shipments_follow_order();

-- Books that customers send back.
CREATE TABLE returns (
    id uuid PRIMARY KEY,
    order_id uuid NOT NULL REFERENCES orders (id),
    shop_id uuid NOT NULL,
    user_id uuid NOT NULL,
    request_id text NOT NULL,
    request_fingerprint bytea NOT NULL,
    state text NOT NULL DEFAULT 'REQUESTED' CHECK (state IN ('REQUESTED', 'ACCEPTED', 'REJECTED')),
    items jsonb NOT NULL CHECK (jsonb_array_length(items) > 0),
    amount bigint NOT NULL CHECK (amount > 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    restocked boolean NOT NULL DEFAULT false,
    reason text NOT NULL,
    answer text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    resolved_at timestamptz,
    UNIQUE (user_id, request_id),
    CHECK ((state = 'REQUESTED') = (resolved_at IS NULL)),
    CHECK (state = 'ACCEPTED' OR NOT restocked)
);
CREATE INDEX returns_by_order ON returns (order_id, id);
CREATE INDEX returns_by_shop ON returns (shop_id, id);
CREATE INDEX returns_by_user ON returns (user_id, id);
-- For staff, who look for those that still wait.
CREATE INDEX returns_by_state ON returns (state, id);

-- Requests of shops and staff that were granted, so that a repeated one gets the same answer.
CREATE TABLE granted_requests (
    rpc text NOT NULL,
    user_id uuid NOT NULL,
    request_id text NOT NULL,
    request_fingerprint bytea NOT NULL,
    order_id uuid NOT NULL REFERENCES orders (id),
    -- The shop whose shipment, or the return, that it is about.
    subject uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (rpc, user_id, request_id)
);

-- Who works in which shop, as inventory told last. Who has left keeps a row without a role, so that what is told late
-- is known to be late.
CREATE TABLE shop_members (
    shop_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text CHECK (role IN ('OWNER', 'STAFF')),
    -- The version of the shop that made it so.
    sequence bigint NOT NULL,
    PRIMARY KEY (shop_id, user_id)
);

-- Customers who are gone: what is kept of them is erased from their orders as soon as those have ended.
CREATE TABLE deleted_users (
    user_id uuid PRIMARY KEY,
    deleted_at timestamptz NOT NULL DEFAULT now()
);

-- What identity said has changed: to be asked for, and written into orders that are not shipped yet. Asked for twice,
-- the second time when no order can be on its way into the database that was made of what was there before.
CREATE TABLE refreshes (
    -- The address, or the user for the name.
    subject uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('ADDRESS', 'NAME')),
    user_id uuid NOT NULL,
    -- Counts what was told, so that an answer from before is not taken for one to it.
    revision bigint NOT NULL DEFAULT 1,
    is_repeat boolean NOT NULL DEFAULT false,
    due_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX refreshes_due ON refreshes (due_at);
