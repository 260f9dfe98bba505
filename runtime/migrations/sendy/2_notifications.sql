-- One row whose lock puts the writers of the feed into a line: ids become visible in their order, and no reader that
-- asks for what is after an id can ever miss one.
CREATE TABLE IF NOT EXISTS feed (
  id TINYINT NOT NULL,
  last BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB;

INSERT INTO feed (id, last) VALUES (1, 0) ON DUPLICATE KEY UPDATE id = id;

-- The feed, and at once the inbox: an event is there once, whatever the queue delivers.
CREATE TABLE IF NOT EXISTS notifications (
  id BIGINT UNSIGNED NOT NULL,
  reservation_id INT NOT NULL,
  version INT UNSIGNED NOT NULL,
  item TEXT NOT NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  UNIQUE KEY event (reservation_id, version)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- How far each driver's webhook has been told.
CREATE TABLE IF NOT EXISTS webhooks (
  driver VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  told BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (driver)
) ENGINE=InnoDB;
