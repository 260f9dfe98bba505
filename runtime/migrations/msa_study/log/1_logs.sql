-- What the factories have produced. The log is the inbox too: an order is in it once.
CREATE TABLE IF NOT EXISTS logs (
  log_id INT NOT NULL AUTO_INCREMENT,
  factory_id INT NOT NULL,
  factory_name VARCHAR(255) NOT NULL,
  item_id INT NOT NULL,
  item_name VARCHAR(255) NOT NULL,
  quantity INT NOT NULL,
  requester VARCHAR(255) NOT NULL,
  datetime DATETIME NOT NULL,
  -- The Idempotency-Key of the request, which is the id of the order. A request without one is another one each time.
  order_id VARBINARY(255),
  PRIMARY KEY (log_id),
  UNIQUE KEY order_id (order_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

INSERT INTO logs (log_id, factory_id, factory_name, item_id, item_name, quantity, requester, datetime) VALUES
  (1, 1, 'Factory1', 1, 'Item1', 5, 'jeonghun', '2023-05-18 09:46:48')
ON DUPLICATE KEY UPDATE log_id = VALUES(log_id);
