-- Orders by card: under way until the gateway has said what became of them. `refund_due` is what was decided to be given
-- back and has not arrived yet, `refunded` what has.
ALTER TABLE payments
    ADD COLUMN card_id uuid,
    ADD COLUMN refund_due bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT payments_state_check,
    ADD CONSTRAINT payments_state_check
        CHECK (state IN ('PENDING', 'AUTHORISED', 'CAPTURED', 'FAILED', 'REFUNDED', 'CANCELLED')),
    DROP CONSTRAINT payments_failure_reason_check,
    ADD CONSTRAINT payments_failure_reason_check
        CHECK (failure_reason IN ('INSUFFICIENT_FUNDS', 'WALLET_CLOSED', 'CARD_DECLINED', 'CARD_EXPIRED',
                                  'INCORRECT_CVC', 'CARD_LOST_OR_STOLEN', 'SUSPECTED_FRAUD', 'PROCESSING_ERROR',
                                  'CARD_UNKNOWN', 'ORDER_CANCELLED')),
    ADD CONSTRAINT payments_under_way_by_card CHECK (state NOT IN ('PENDING', 'AUTHORISED') OR card_id IS NOT NULL),
    ADD CONSTRAINT payments_refund_due CHECK (refund_due >= 0 AND (refund_due = 0 OR state = 'CAPTURED')),
    ADD CONSTRAINT payments_refunds_within CHECK (refunded + refund_due <= COALESCE(amount, 0));

-- Money that is given back, once for each cause: what was left when the order was cancelled, a return by its id, or a
-- gift of staff by its own.
CREATE TABLE refunds (
    id uuid PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payments (id),
    cause text NOT NULL CHECK (cause IN ('CANCELLED', 'RETURNED', 'STAFF')),
    cause_id uuid,
    state text NOT NULL CHECK (state IN ('PENDING', 'DONE')),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount bigint NOT NULL CHECK (amount > 0),
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 200),
    given_by uuid,
    request_id text,
    request_fingerprint bytea CHECK (octet_length(request_fingerprint) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((cause = 'CANCELLED') = (cause_id IS NULL)),
    CHECK ((cause = 'STAFF') = (given_by IS NOT NULL AND request_id IS NOT NULL AND request_fingerprint IS NOT NULL))
);
CREATE UNIQUE INDEX refunds_one_a_cause ON refunds (payment_id, cause, cause_id) NULLS NOT DISTINCT;
CREATE UNIQUE INDEX refunds_one_a_request ON refunds (given_by, request_id) WHERE cause = 'STAFF';
INSERT INTO refunds (id, payment_id, cause, state, currency, amount, created_at)
SELECT transfers.id, payments.id, 'CANCELLED', 'DONE', transfers.currency, transfers.amount, transfers.created_at
FROM transfers JOIN payments USING (order_id)
WHERE kind = 'REFUND';

-- Money on its way out of wallets.
CREATE TABLE withdrawals (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    card_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'PENDING' CHECK (state IN ('PENDING', 'DONE', 'FAILED')),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount bigint NOT NULL CHECK (amount > 0),
    request_id text NOT NULL,
    request_fingerprint bytea NOT NULL CHECK (octet_length(request_fingerprint) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (user_id, request_id)
);

ALTER TABLE transfers
    ADD COLUMN withdrawal_id uuid REFERENCES withdrawals (id),
    DROP CONSTRAINT transfers_kind_check,
    ADD CONSTRAINT transfers_kind_check
        CHECK (kind IN ('TOP_UP', 'CAPTURE', 'REFUND', 'WITHDRAWAL', 'WITHDRAWAL_REVERSAL')),
    DROP CONSTRAINT transfers_check1,
    ADD CONSTRAINT transfers_check1 CHECK ((kind IN ('TOP_UP', 'WITHDRAWAL', 'WITHDRAWAL_REVERSAL')) = (order_id IS NULL)),
    ADD CONSTRAINT transfers_of_a_withdrawal
        CHECK ((kind IN ('WITHDRAWAL', 'WITHDRAWAL_REVERSAL')) = (withdrawal_id IS NOT NULL));
CREATE UNIQUE INDEX transfers_one_each_way_a_withdrawal ON transfers (withdrawal_id, kind)
    WHERE withdrawal_id IS NOT NULL;

-- What the card gateway holds of the house's money must be what the ledger says: nothing may be listed here once no
-- errand is under way. Only what was charged since there is a gateway is compared.
CREATE VIEW card_differences AS
SELECT currency, sum(amount) AS difference
FROM (
    SELECT currency, CASE kind WHEN 'CAPTURE' THEN amount ELSE -amount END AS amount
    FROM simulated_gateway.operations
    WHERE kind IN ('CAPTURE', 'REFUND', 'PAY_OUT') AND answer = 'DONE'
    UNION ALL
    SELECT entries.currency, entries.amount
    FROM ledger_entries AS entries
    JOIN accounts ON accounts.id = entries.account_id AND accounts.kind = 'CARDS'
    WHERE entries.transfer_id NOT IN (
        SELECT transfers.id FROM transfers
        WHERE transfers.kind = 'TOP_UP' AND NOT EXISTS (
            SELECT FROM card_charges WHERE card_charges.user_id = transfers.user_id
                AND card_charges.request_id = transfers.request_id AND card_charges.step = 'CAPTURED'))
) AS both_sides
GROUP BY currency
HAVING sum(amount) <> 0;
