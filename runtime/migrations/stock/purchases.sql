-- The purchases that were answered, by the Idempotency-Key that came with them.
CREATE TABLE IF NOT EXISTS purchases (
  name VARBINARY(255) NOT NULL,
  request BINARY(32) NOT NULL,
  -- The answer: whether it was sold, and the stock that was told.
  is_sold TINYINT NOT NULL,
  told INT NOT NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (name),
  KEY created_at (created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
