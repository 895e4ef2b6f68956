-- Feeds, and stock that comes back from customers.
SELECT 1;
