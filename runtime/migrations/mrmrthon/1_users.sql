-- The users, and what they have been credited. Each statement can be run again: DDL is not transactional, and a migration may
-- be cut off anywhere.

CREATE TABLE IF NOT EXISTS users (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  -- 0 is an individual, 1 an organizer.
  type TINYINT UNSIGNED NOT NULL,
  -- The bytes of up to 255 characters. Every collation of texts takes some names that differ for one name: by their case, or
  -- by the spaces at their end.
  login_id VARBINARY(1020) NOT NULL,
  -- The hash, with how it was made.
  password VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  name VARCHAR(255) NOT NULL,
  phone VARCHAR(64) NOT NULL,
  -- The sum of the user's rows in `points`. The two change together.
  total_point BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  UNIQUE KEY login_id (login_id),
  -- A page of the ranking is read from here in its order.
  KEY ranking (total_point DESC, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- The credits, and at once the inbox: an event is there once, whatever the queue delivers. A row has no foreign key: with one,
-- each credit would lock the user twice, and two credits of one user could wait for each other.
CREATE TABLE IF NOT EXISTS points (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  user_id BIGINT UNSIGNED NOT NULL,
  point INT UNSIGNED NOT NULL,
  marathon_id BIGINT UNSIGNED NOT NULL,
  -- `record:` and the id of the record, or `message:` and the id of a message that names no record.
  event VARBINARY(255) NOT NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  UNIQUE KEY event (event),
  KEY of_user (user_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
