-- What is still to be done for a committed change: one row for each effect, deleted when it is done. A system that publishes
-- has this file among its migrations. So the file must not change: a change is another migration.
CREATE TABLE IF NOT EXISTS effects (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  -- `publish` or `invalidate`.
  effect VARCHAR(16) CHARACTER SET ascii NOT NULL,
  -- The topic, or what an invalidation is about, by the name that the system gives it. Each target has a relay of its own.
  target VARCHAR(64) NOT NULL,
  -- The thing that changed. Effects on one thing are done in the order of their ids.
  subject VARCHAR(200) COLLATE utf8mb4_bin NOT NULL,
  version INT UNSIGNED NOT NULL,
  -- The message as it is published; an invalidation needs none.
  message MEDIUMTEXT,
  -- The Subject of the message, where it has one.
  title VARCHAR(100),
  -- The attributes of the message: a JSON object of names, each with a Type and a Value.
  attributes TEXT,
  traceparent VARCHAR(55) CHARACTER SET ascii NOT NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  KEY target (effect, target, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
