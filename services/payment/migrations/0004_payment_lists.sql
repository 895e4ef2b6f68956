-- without a transaction
-- A list of payments is of a user, or of all that are in a state: most are CAPTURED, which the primary key finds. What an
-- attempt that broke off has left behind is of no use.
DROP INDEX CONCURRENTLY IF EXISTS payments_of_a_user;
CREATE INDEX CONCURRENTLY payments_of_a_user ON payments (user_id, id);
DROP INDEX CONCURRENTLY IF EXISTS payments_pending;
CREATE INDEX CONCURRENTLY payments_pending ON payments (id) WHERE state = 'PENDING';
DROP INDEX CONCURRENTLY IF EXISTS payments_authorised;
CREATE INDEX CONCURRENTLY payments_authorised ON payments (id) WHERE state = 'AUTHORISED';
DROP INDEX CONCURRENTLY IF EXISTS payments_failed;
CREATE INDEX CONCURRENTLY payments_failed ON payments (id) WHERE state = 'FAILED';
DROP INDEX CONCURRENTLY IF EXISTS payments_refunded;
CREATE INDEX CONCURRENTLY payments_refunded ON payments (id) WHERE state = 'REFUNDED';
