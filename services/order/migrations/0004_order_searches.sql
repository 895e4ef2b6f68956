-- without a transaction
-- For staff, who look for the few orders that stand where most do not; the usual ones are found by going back from the
-- newest. What a broken-off run has left behind is of no use.
DROP INDEX CONCURRENTLY IF EXISTS orders_cancelled;
CREATE INDEX CONCURRENTLY orders_cancelled ON orders (cancel_reason, id) WHERE state = 'CANCELLED';

-- Those that are PENDING have an index already.
DROP INDEX CONCURRENTLY IF EXISTS orders_by_state;
CREATE INDEX CONCURRENTLY orders_by_state ON orders (state, id) WHERE state <> 'PENDING';

DROP INDEX CONCURRENTLY IF EXISTS orders_by_payment;
CREATE INDEX CONCURRENTLY orders_by_payment ON orders (payment_state, id) WHERE payment_state <> 'CAPTURED';
