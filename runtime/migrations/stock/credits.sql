-- The callbacks that were credited: of an order, or under a key. Nobody forgets them, so a callback that is repeated after
-- a year still counts once.
CREATE TABLE IF NOT EXISTS credits (
  -- `order:` and the id of the order, or `key:` and the key of the request.
  name VARBINARY(300) NOT NULL,
  -- The stock that was told.
  told INT NOT NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
