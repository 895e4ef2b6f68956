-- What this service tells others, written in the transaction that changed the state. Postgres is the truth about
-- events; the broker's stream is a copy that the relay compares with this table.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL UNIQUE,
    subject text NOT NULL,
    aggregate_id text NOT NULL,
    sequence bigint NOT NULL,
    payload bytea NOT NULL CONSTRAINT outbox_payload_fits CHECK (octet_length(payload) <= 262144),
    traceparent text,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Deadlines and retention count from here; publishing again doesn't move it.
    first_published_at timestamptz,
    -- Where the stream has it.
    stream_sequence bigint,
    -- Where the stream had it, from the discovery that the stream lost it until it is published again.
    lost_sequence bigint,
    -- Why the broker will never take it. Such a row holds nobody up.
    refused text
);
CREATE INDEX outbox_unpublished ON outbox (id) WHERE stream_sequence IS NULL AND refused IS NULL;
CREATE INDEX outbox_published ON outbox (stream_sequence) WHERE stream_sequence IS NOT NULL;
CREATE INDEX outbox_lost ON outbox (lost_sequence, id) WHERE lost_sequence IS NOT NULL;

-- Which events each consumer has handled, written in the transaction of their effects.
CREATE TABLE inbox (
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    handled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_by_age ON inbox (handled_at);

-- Messages that keep coming back: noted before they are handled, so that one which kills the process counts too.
CREATE TABLE delivery_attempts (
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    attempts integer NOT NULL CHECK (attempts >= 0),
    first_at timestamptz NOT NULL DEFAULT now(),
    last_error text,
    PRIMARY KEY (consumer, event_id)
);

-- Messages that were given up; a row here takes the place of the one in the inbox.
CREATE TABLE dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    subject text NOT NULL,
    -- The message's headers, name to values.
    headers jsonb NOT NULL,
    payload bytea NOT NULL,
    error text NOT NULL,
    attempts integer NOT NULL,
    buried_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (consumer, event_id)
);
