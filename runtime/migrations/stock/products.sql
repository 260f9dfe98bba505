-- The products, their factories and their advertisements. Each statement can be run again: DDL is not transactional, and a
-- migration may be cut off anywhere.

CREATE TABLE IF NOT EXISTS factory (
  factory_id BINARY(16) NOT NULL,
  identifier VARCHAR(200) NOT NULL,
  name VARCHAR(200) NOT NULL,
  manager_email VARCHAR(200) NOT NULL,
  API VARCHAR(200) NOT NULL,
  PRIMARY KEY (factory_id),
  UNIQUE KEY name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS advertisement (
  ad_id BINARY(16) NOT NULL,
  status BOOLEAN NOT NULL,
  manager_email VARCHAR(200) NOT NULL,
  PRIMARY KEY (ad_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS product (
  product_id BINARY(16) NOT NULL,
  sku VARCHAR(200) COLLATE utf8mb4_bin NOT NULL,
  name VARCHAR(200) NOT NULL,
  price INT NOT NULL,
  -- One guarded statement takes from it; the check is the last line of defence.
  stock INT NOT NULL,
  factory_id BINARY(16) NOT NULL,
  ad_id BINARY(16) NOT NULL,
  PRIMARY KEY (product_id),
  UNIQUE KEY sku (sku),
  UNIQUE KEY name (name),
  CONSTRAINT in_stock CHECK (stock >= 0),
  CONSTRAINT made_in FOREIGN KEY (factory_id) REFERENCES factory (factory_id),
  CONSTRAINT shown_in FOREIGN KEY (ad_id) REFERENCES advertisement (ad_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

INSERT INTO factory (factory_id, identifier, name, manager_email, API) VALUES
  (X'3f0c2b8e5a4d4c7f9b1e6d2a8c5f0e71', 'FF-500293', '부산도너츠 공장', 'dob_factory@codeatates.com', '')
ON DUPLICATE KEY UPDATE factory_id = VALUES(factory_id);

INSERT INTO advertisement (ad_id, status, manager_email) VALUES
  (X'8d5e1f4b7c2a4e39a6b0f3c9d1e7542a', TRUE, 'dob_ad@codeatates.com')
ON DUPLICATE KEY UPDATE ad_id = VALUES(ad_id);

INSERT INTO product (product_id, sku, name, price, stock, factory_id, ad_id) VALUES
  (X'c61d9a3e0b7f4f58b2e49d6c1a8f3075', 'CP-502101', '부산도너츠', 19900, 3,
   X'3f0c2b8e5a4d4c7f9b1e6d2a8c5f0e71', X'8d5e1f4b7c2a4e39a6b0f3c9d1e7542a')
ON DUPLICATE KEY UPDATE product_id = VALUES(product_id);
