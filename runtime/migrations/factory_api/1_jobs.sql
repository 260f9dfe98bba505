-- The production lines. Each job is one line.
CREATE TABLE IF NOT EXISTS jobs (
  job_id CHAR(36) CHARACTER SET ascii NOT NULL,
  -- The Idempotency-Key of the request.
  name VARBINARY(255),
  -- The request as it came. The callback has it word for word.
  body LONGTEXT COLLATE utf8mb4_bin NOT NULL,
  callback TEXT COLLATE utf8mb4_bin,
  -- 1 시작, 2 준비, 3 생산, 4 포장, 99 종료.
  step INT NOT NULL,
  -- When the next step is due, and after the last one the next attempt to call back. NULL once the job has ended.
  due_at DATETIME(3),
  -- How often the callback was tried, when for the first time, and what came of it last.
  attempts INT NOT NULL DEFAULT 0,
  first_at DATETIME(3),
  outcome VARCHAR(255),
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (job_id),
  UNIQUE KEY name (name),
  KEY due (due_at),
  KEY created_at (created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
