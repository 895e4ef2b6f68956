-- Who works in a shop was told when they came, and events are kept for some days only. So that services which listen
-- since later know it too, it is told once more of each shop there is.

-- True for the shops there are, without writing a row, and false for those to come.
ALTER TABLE shops ADD COLUMN is_unannounced boolean NOT NULL DEFAULT true;
ALTER TABLE shops ALTER COLUMN is_unannounced SET DEFAULT false;

CREATE INDEX shops_unannounced ON shops (id) WHERE is_unannounced;
