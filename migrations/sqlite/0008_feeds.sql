-- Changes of one server, newest first, for its feed.
CREATE INDEX change_target ON change (target, seq);
