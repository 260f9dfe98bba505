-- The orders of production.
CREATE TABLE IF NOT EXISTS orders (
  -- The id that the order has on its whole way: to the factory, and back with the delivery.
  order_id VARBINARY(255) NOT NULL,
  item_id INT NOT NULL,
  quantity INT NOT NULL,
  requester VARCHAR(255) NOT NULL,
  -- 1 until the order is delivered, and then NULL. A unique key takes any number of NULLs, so each item has at most one
  -- open order.
  is_open TINYINT,
  ordered_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  delivered_at DATETIME(3),
  PRIMARY KEY (order_id),
  UNIQUE KEY one_open (item_id, is_open)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
