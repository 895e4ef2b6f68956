-- Ids are still never given twice.
ALTER TABLE stock_movements
    DROP CONSTRAINT stock_movements_pkey,
    ADD CONSTRAINT stock_movements_pkey PRIMARY KEY USING INDEX stock_movements_of_offer;
DROP INDEX stock_movements_by_offer;
