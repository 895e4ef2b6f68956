-- An order with all its lines in one row: writing lines as rows costs a third of the throughput, and no statement ever
-- wants one line alone.
CREATE TABLE orders (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    request_id text NOT NULL,
    request_fingerprint bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('PENDING', 'CONFIRMED', 'CANCELLED')),
    cancel_reason text CHECK (cancel_reason IN (
        'CUSTOMER_REQUEST', 'INSUFFICIENT_FUNDS', 'PAYMENT_DECLINED', 'PAYMENT_TIMEOUT', 'STOCK_LOST'
    )),
    payment_method text NOT NULL CHECK (payment_method IN ('WALLET')),
    payment_state text NOT NULL CHECK (payment_state IN ('PENDING', 'CAPTURED', 'FAILED', 'REFUNDED')),
    stock_state text NOT NULL CHECK (stock_state IN ('RESERVED', 'COMMITTED', 'RELEASED')),
    reservation_id uuid NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    total bigint NOT NULL CHECK (total > 0),
    lines jsonb NOT NULL CHECK (jsonb_array_length(lines) > 0),
    shipping_address jsonb NOT NULL,
    -- The event that asks for payment: the payment's time runs from its first publication.
    placed_event uuid NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (user_id, request_id),
    CHECK ((state = 'CANCELLED') = (cancel_reason IS NOT NULL)),
    -- CONFIRMED means paid and stock committed.
    CHECK (state <> 'CONFIRMED' OR (payment_state = 'CAPTURED' AND stock_state = 'COMMITTED'))
);

-- A customer's orders, the newest first.
CREATE INDEX orders_by_user ON orders (user_id, id DESC);

-- What the sweeper looks through: few at any time.
CREATE INDEX orders_pending ON orders (id) WHERE state = 'PENDING';

-- Every step of an order: who, when and why. Written with the order it belongs to; a foreign key would cost a fifth of
-- the throughput to say so again.
CREATE TABLE order_history (
    order_id uuid NOT NULL,
    version bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('PENDING', 'CONFIRMED', 'CANCELLED')),
    cancel_reason text,
    actor text NOT NULL CHECK (actor IN ('CUSTOMER', 'SYSTEM')),
    note text NOT NULL DEFAULT '',
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, version)
);

-- Requests to cancel that were granted, so that a repeated one gets the same answer.
CREATE TABLE cancellations (
    user_id uuid NOT NULL,
    request_id text NOT NULL,
    request_fingerprint bytea NOT NULL,
    order_id uuid NOT NULL REFERENCES orders (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, request_id)
);
