-- The events that a consumer has handled. A system that consumes has this file among its migrations. So the file must not
-- change: a change is another migration.
CREATE TABLE IF NOT EXISTS inbox (
  consumer VARCHAR(64) CHARACTER SET ascii NOT NULL,
  event VARBINARY(255) NOT NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (consumer, event),
  KEY created_at (created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
