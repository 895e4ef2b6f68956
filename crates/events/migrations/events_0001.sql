CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL UNIQUE,
    subject text NOT NULL,
    aggregate_id text NOT NULL,
    sequence bigint NOT NULL,
    payload bytea NOT NULL,
    traceparent text,
    created_at timestamptz NOT NULL DEFAULT now(),
    first_published_at timestamptz,
    stream_sequence bigint,
    refused text
);
CREATE INDEX outbox_unpublished ON outbox (id) WHERE stream_sequence IS NULL AND refused IS NULL;
CREATE INDEX outbox_by_stream_sequence ON outbox (stream_sequence) WHERE stream_sequence IS NOT NULL;

CREATE TABLE inbox (
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    handled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_by_age ON inbox (handled_at);

CREATE TABLE delivery_attempts (
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    attempts integer NOT NULL CHECK (attempts > 0),
    last_error text,
    last_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event_id)
);

CREATE TABLE dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    subject text NOT NULL,
    headers jsonb NOT NULL,
    payload bytea NOT NULL,
    error text NOT NULL,
    attempts integer NOT NULL,
    buried_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (consumer, event_id)
);
