-- Lists by change and by name with a condition: the conditions are tried in the index that is
-- walked, so that only the rows of the page are read from the table.
DROP INDEX target_changed;
CREATE INDEX target_changed
    ON target (changed_at, id, rank, class, era, claimed, registration, pkce);
DROP INDEX target_name;
CREATE INDEX target_name ON target (name_key, id, rank, class, era, claimed, registration, pkce);
