-- Each statement can be run again: DDL is not transactional, and a migration may be cut off anywhere.

CREATE TABLE IF NOT EXISTS reservations (
  id INT NOT NULL AUTO_INCREMENT,
  departure VARCHAR(200) NOT NULL,
  destination VARCHAR(200) NOT NULL,
  date DATE NOT NULL,
  user_name VARCHAR(200) NOT NULL,
  -- Goes up with each change; an event carries it, and so does the cache.
  version INT UNSIGNED NOT NULL DEFAULT 1,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- What is still to be done for a committed change: one row for each effect, deleted when it is done.
CREATE TABLE IF NOT EXISTS outbox (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  effect VARCHAR(16) CHARACTER SET ascii NOT NULL,
  reservation_id INT NOT NULL,
  version INT UNSIGNED NOT NULL,
  -- The event as it is published; an invalidation needs none.
  event TEXT,
  traceparent VARCHAR(55) CHARACTER SET ascii NOT NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  KEY effect (effect, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- The requests that were answered, by the Idempotency-Key that came with them.
CREATE TABLE IF NOT EXISTS idempotency_keys (
  name VARBINARY(255) NOT NULL,
  request BINARY(32) NOT NULL,
  reservation_id INT NOT NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (name),
  KEY created_at (created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- One row that counts up on the primary: how far the replica has come shows in its copy.
CREATE TABLE IF NOT EXISTS heartbeat (
  id TINYINT NOT NULL,
  beat BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB;

INSERT INTO heartbeat (id, beat) VALUES (1, 0) ON DUPLICATE KEY UPDATE id = id;
