-- The probes whose event has come through the queue. Only the probes themselves ask for them.
CREATE TABLE IF NOT EXISTS probes (
  name VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (name),
  KEY created_at (created_at)
) ENGINE=InnoDB;
