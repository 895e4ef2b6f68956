-- What people are told. Never their addresses: those are asked for when something is sent.
CREATE TABLE deliveries (
    id uuid PRIMARY KEY,
    -- An event is told once, whatever is delivered how often.
    event_id uuid NOT NULL UNIQUE,
    -- The event's kind: `bookstore.order.v1.confirmed`.
    subject text NOT NULL,
    user_id uuid NOT NULL,
    -- TypeID of what it is about.
    aggregate_id text NOT NULL,
    -- What is to be said, as JSON.
    news text NOT NULL,
    -- The trace of what happened.
    traceparent text,
    state text NOT NULL DEFAULT 'PENDING' CHECK (state IN ('PENDING', 'SENT', 'FAILED')),
    -- How often it was tried; noted before each try.
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- While it is pending: when it is tried next. While it is being tried: when whoever tries it is given up.
    due_at timestamptz NOT NULL DEFAULT now(),
    last_error text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    CHECK ((state = 'SENT') = (sent_at IS NOT NULL))
);

CREATE INDEX deliveries_due ON deliveries (due_at) WHERE state = 'PENDING';
CREATE INDEX deliveries_of_user ON deliveries (user_id, id);
CREATE INDEX deliveries_ended ON deliveries (created_at) WHERE state <> 'PENDING';
CREATE INDEX deliveries_failed ON deliveries (id) WHERE state = 'FAILED';

-- Where each stream ended when the service was first started: what lies before happened when nobody was to be told.
CREATE TABLE first_start (
    stream text PRIMARY KEY,
    -- When the broker made the stream, which tells it from a later one of the same name; nothing if there was none.
    incarnation text,
    last_sequence bigint NOT NULL CHECK (last_sequence >= 0)
);
