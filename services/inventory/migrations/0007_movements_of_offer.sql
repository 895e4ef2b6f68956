-- without a transaction
-- One index for what two did: every sale writes movements, and nobody looks for one by its id alone. What a broken-off
-- run has left behind is of no use.
DROP INDEX CONCURRENTLY IF EXISTS stock_movements_of_offer;
CREATE UNIQUE INDEX CONCURRENTLY stock_movements_of_offer ON stock_movements (offer_id, id);
