-- Whose money it is. A wallet carries its balance in its row; the balance of a house account is a sum of transfers, so
-- that a thousand customers paying the house at once don't queue for one row.
CREATE TABLE accounts (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('WALLET', 'CARDS', 'SALES')),
    user_id uuid,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    balance bigint CHECK (balance >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((kind = 'WALLET') = (user_id IS NOT NULL)),
    CHECK ((kind = 'WALLET') = (balance IS NOT NULL)),
    UNIQUE (id, currency)
);
CREATE UNIQUE INDEX accounts_one_wallet ON accounts (user_id, currency) WHERE kind = 'WALLET';
CREATE UNIQUE INDEX accounts_one_of_the_house ON accounts (kind, currency) WHERE kind <> 'WALLET';

-- Users whose wallets are closed for good, known here even if the event overtook everything else of theirs.
CREATE TABLE closed_users (
    user_id uuid PRIMARY KEY,
    closed_at timestamptz NOT NULL DEFAULT now()
);

-- The payment of an order: one row, whatever happens. CANCELLED is the tombstone of an order that was cancelled before
-- its charge arrived.
CREATE TABLE payments (
    id uuid PRIMARY KEY,
    order_id uuid NOT NULL UNIQUE,
    user_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('CAPTURED', 'FAILED', 'REFUNDED', 'CANCELLED')),
    failure_reason text CHECK (failure_reason IN ('INSUFFICIENT_FUNDS', 'WALLET_CLOSED')),
    currency text CHECK (currency ~ '^[A-Z]{3}$'),
    amount bigint CHECK (amount > 0),
    refunded bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((state = 'FAILED') = (failure_reason IS NOT NULL)),
    CHECK (state = 'CANCELLED' OR (amount IS NOT NULL AND currency IS NOT NULL)),
    CHECK (refunded BETWEEN 0 AND COALESCE(amount, 0)),
    CHECK (refunded = 0 OR state IN ('CAPTURED', 'REFUNDED')),
    CHECK (state <> 'REFUNDED' OR refunded = amount)
);

-- A movement of money is one row, so it cannot be unbalanced. The composite keys refuse a transfer between currencies.
CREATE TABLE transfers (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('TOP_UP', 'CAPTURE', 'REFUND')),
    debit_account uuid NOT NULL,
    credit_account uuid NOT NULL,
    currency text NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    order_id uuid,
    cause text,
    user_id uuid,
    request_id text,
    request_fingerprint bytea CHECK (octet_length(request_fingerprint) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (debit_account <> credit_account),
    CHECK ((kind = 'TOP_UP') = (order_id IS NULL)),
    CHECK ((kind = 'TOP_UP') = (user_id IS NOT NULL AND request_id IS NOT NULL AND request_fingerprint IS NOT NULL)),
    CHECK ((kind = 'REFUND') = (cause IS NOT NULL)),
    FOREIGN KEY (debit_account, currency) REFERENCES accounts (id, currency),
    FOREIGN KEY (credit_account, currency) REFERENCES accounts (id, currency)
);
CREATE UNIQUE INDEX transfers_one_capture_an_order ON transfers (order_id) WHERE kind = 'CAPTURE';
CREATE UNIQUE INDEX transfers_one_refund_a_cause ON transfers (order_id, cause) WHERE kind = 'REFUND';
CREATE UNIQUE INDEX transfers_one_top_up_a_request ON transfers (user_id, request_id) WHERE kind = 'TOP_UP';
CREATE INDEX transfers_by_debit_account ON transfers (debit_account, id);
CREATE INDEX transfers_by_credit_account ON transfers (credit_account, id);

-- What an account sees of its transfers: in is above zero, out below.
CREATE VIEW ledger_entries AS
SELECT credit_account AS account_id, id AS transfer_id, amount, currency, kind, order_id, created_at FROM transfers
UNION ALL
SELECT debit_account, id, -amount, currency, kind, order_id, created_at FROM transfers;
