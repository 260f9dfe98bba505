-- Each statement can be run again: DDL is not transactional, and a migration may be cut off anywhere.

CREATE TABLE IF NOT EXISTS factories (
  factory_id INT NOT NULL AUTO_INCREMENT,
  name VARCHAR(255) NOT NULL,
  locate VARCHAR(255) NOT NULL,
  PRIMARY KEY (factory_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS items (
  item_id INT NOT NULL AUTO_INCREMENT,
  name VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  price INT NOT NULL,
  -- The stock. One guarded statement takes from it; the check is the last line of defence.
  quantity INT NOT NULL,
  factory_id INT NOT NULL,
  PRIMARY KEY (item_id),
  UNIQUE KEY name (name),
  CONSTRAINT in_stock CHECK (quantity >= 0),
  CONSTRAINT made_in FOREIGN KEY (factory_id) REFERENCES factories (factory_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

INSERT INTO factories (factory_id, name, locate) VALUES
  (1, 'Factory1', 'korea'),
  (2, 'Factory2', 'usa')
ON DUPLICATE KEY UPDATE factory_id = VALUES(factory_id);

INSERT INTO items (item_id, name, price, quantity, factory_id) VALUES
  (1, 'Item1', 10000, 1, 1),
  (2, 'Item2', 20000, 2, 2),
  (3, 'Item3', 30000, 3, 1)
ON DUPLICATE KEY UPDATE item_id = VALUES(item_id);
