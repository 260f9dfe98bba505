-- The orders of production.
CREATE TABLE IF NOT EXISTS orders (
  -- The id that the order has on its whole way: to the factory, and back with the callback.
  order_id VARBINARY(255) NOT NULL,
  product_id BINARY(16) NOT NULL,
  quantity INT NOT NULL,
  requester VARCHAR(255) NOT NULL,
  -- 1 until the order is delivered, and then NULL. A unique key takes any number of NULLs, so each product has at most one
  -- open order.
  is_open TINYINT,
  -- The SHA-256 of the token that the factory shows when it calls back.
  token BINARY(32),
  ordered_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  delivered_at DATETIME(3),
  PRIMARY KEY (order_id),
  UNIQUE KEY one_open (product_id, is_open),
  UNIQUE KEY token (token)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
