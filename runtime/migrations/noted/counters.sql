-- What a team has heard, counted by day.
CREATE TABLE IF NOT EXISTS counters (
  team VARCHAR(64) CHARACTER SET ascii NOT NULL,
  day DATE NOT NULL,
  product VARCHAR(200) COLLATE utf8mb4_bin NOT NULL,
  event VARCHAR(64) CHARACTER SET ascii NOT NULL,
  count BIGINT NOT NULL,
  PRIMARY KEY (team, day, product, event)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
