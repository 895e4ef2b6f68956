-- without a transaction
-- For staff, who look for orders that went wrong. What a broken-off run has left behind is of no use.
DROP INDEX CONCURRENTLY IF EXISTS orders_cancelled;
CREATE INDEX CONCURRENTLY orders_cancelled ON orders (cancel_reason, id DESC) WHERE state = 'CANCELLED';

DROP INDEX CONCURRENTLY IF EXISTS orders_sent_back;
CREATE INDEX CONCURRENTLY orders_sent_back ON orders (id DESC) WHERE state IN ('RETURN_REQUESTED', 'RETURNED');
