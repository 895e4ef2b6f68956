-- The cards that customers pay with, by the token that the card gateway gave for each. A card that was forgotten keeps
-- its row, so that its request id stays used, but not its token.
CREATE TABLE cards (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    token text CHECK (length(token) BETWEEN 1 AND 100),
    brand text NOT NULL,
    last4 text NOT NULL CHECK (last4 ~ '^[0-9]{4}$'),
    expire_month smallint NOT NULL CHECK (expire_month BETWEEN 1 AND 12),
    expire_year smallint NOT NULL CHECK (expire_year BETWEEN 2000 AND 9999),
    request_id text NOT NULL,
    request_fingerprint bytea NOT NULL CHECK (octet_length(request_fingerprint) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (user_id, request_id)
);
CREATE INDEX cards_of_a_user ON cards (user_id, id) WHERE token IS NOT NULL;

-- What is charged to cards: top-ups, which remember their request, and orders, by the id of their payment. A refusal
-- that is known while a charge is under way says that what has been authorised or captured is to be undone. `told` is
-- a refused top-up whose customer has heard of it: its request id is free again.
CREATE TABLE card_charges (
    id uuid PRIMARY KEY,
    purpose text NOT NULL CHECK (purpose IN ('TOP_UP', 'ORDER')),
    user_id uuid NOT NULL,
    card_id uuid NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount bigint NOT NULL CHECK (amount > 0),
    step text NOT NULL DEFAULT 'AUTHORISE' CHECK (step IN ('AUTHORISE', 'CAPTURE', 'VOID', 'CAPTURED', 'REFUSED')),
    refusal text,
    authorisation text,
    capture text,
    request_id text,
    request_fingerprint bytea CHECK (octet_length(request_fingerprint) = 32),
    told boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((purpose = 'TOP_UP') = (request_id IS NOT NULL AND request_fingerprint IS NOT NULL)),
    CHECK (step NOT IN ('VOID', 'REFUSED') OR refusal IS NOT NULL),
    CHECK (step NOT IN ('CAPTURE', 'VOID', 'CAPTURED') OR authorisation IS NOT NULL),
    CHECK ((step = 'CAPTURED') = (capture IS NOT NULL)),
    CHECK (NOT told OR step = 'REFUSED')
);
CREATE UNIQUE INDEX card_charges_one_a_request ON card_charges (user_id, request_id)
    WHERE purpose = 'TOP_UP' AND NOT told;

-- What the card gateway is to be asked, again and again until it has said. The row goes with the answer, and the token
-- with it. `attempts` counts the questions, each noted before it is asked.
CREATE TABLE errands (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('CHARGE', 'REFUND', 'PAY_OUT')),
    token text,
    attempts int NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    traceparent text
);
CREATE INDEX errands_by_time ON errands (due_at);

-- The memory of the simulated card gateway, which is nobody else's to read: as far as this service knows it lies
-- elsewhere. What a key was answered it is answered for ever.
CREATE SCHEMA simulated_gateway;
CREATE TABLE simulated_gateway.operations (
    key text PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    kind text NOT NULL CHECK (kind IN ('AUTHORISE', 'CAPTURE', 'VOID', 'REFUND', 'PAY_OUT')),
    target uuid,
    token text NOT NULL,
    currency text NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    calls int NOT NULL DEFAULT 1,
    answer text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((kind IN ('CAPTURE', 'VOID', 'REFUND')) = (target IS NOT NULL))
);
-- An authorisation ends once: captured or void.
CREATE UNIQUE INDEX operations_one_end ON simulated_gateway.operations (target)
    WHERE kind IN ('CAPTURE', 'VOID') AND answer = 'DONE';
