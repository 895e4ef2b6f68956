-- Dead letters can be named, replayed and discarded. The release before writes them without the new columns.
ALTER TABLE dead_letters
    ADD COLUMN dead_letter_id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    ADD COLUMN resolution text CHECK (resolution IN ('REPLAYED', 'DISCARDED')),
    ADD COLUMN resolved_at timestamptz,
    ADD CONSTRAINT dead_letters_resolved_at_a_time CHECK ((resolution IS NULL) = (resolved_at IS NULL));
CREATE INDEX dead_letters_unresolved ON dead_letters (id) WHERE resolution IS NULL;
