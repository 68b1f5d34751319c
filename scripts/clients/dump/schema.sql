DROP DATABASE IF EXISTS c_dump;
DROP DATABASE IF EXISTS c_dump_keyed;
CREATE DATABASE c_dump DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci;
USE c_dump;
CREATE TABLE types (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  ti TINYINT, b TINYINT(1) DEFAULT 1, si SMALLINT UNSIGNED, mi MEDIUMINT, i INT NOT NULL DEFAULT -7, bi BIGINT,
  f FLOAT, d DOUBLE, dc DECIMAL(30,10), bt BIT(9), y YEAR,
  dt DATE, t TIME, dtm DATETIME(6), ts TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  c CHAR(5), v VARCHAR(100) NOT NULL DEFAULT 'it''s "x"' COMMENT 'a column''s comment', bn BINARY(4), vb VARBINARY(300),
  tt TINYTEXT, tx TEXT, mt MEDIUMTEXT, lt LONGTEXT, tb TINYBLOB, bl BLOB, mb MEDIUMBLOB, lb LONGBLOB,
  e ENUM('a','b','c''d') DEFAULT 'b', s SET('x','y','z'), j JSON,
  cs VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, la VARCHAR(20) CHARACTER SET latin1,
  PRIMARY KEY (id)
) ENGINE=InnoDB AUTO_INCREMENT=100 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci COMMENT='every type';
INSERT INTO types VALUES (7,-128,0,65535,-8388608,2147483647,-9223372036854775808,1.5,-2.25e100,12345678901234567890.0123456789,b'101010101',2026,
  '1000-01-01','-838:59:59','9999-12-31 23:59:59.999999','2026-01-02 03:04:05','ä€','line\nbreak \\ tab\t nul\0 quote''',0x00FF0A27,0x000102FEFF275C0D0A1A,
  'tiny','text','medium','long',0x00,0xFFFE00,0x27225C,0x0D0A1A00,'c''d','x,z','{"k": [1, 2.5, null, "ä\\"q"], "n": {"a": true}}','Case','é');
INSERT INTO types (id, v, ts) VALUES (18446744073709551614, '', '2001-01-01 00:00:00');
INSERT INTO types (id, v, ts, s, vb, j) VALUES (8, '😀', '2001-01-01 00:00:00', '', '', '[]');
CREATE TABLE computed (
  a INT NOT NULL, b INT NOT NULL,
  v INT GENERATED ALWAYS AS (a + b) VIRTUAL, st VARCHAR(30) GENERATED ALWAYS AS (CONCAT(a, '-', b)) STORED NOT NULL,
  j JSON, jn INT GENERATED ALWAYS AS (JSON_EXTRACT(j, '$.n')) STORED, z INT,
  CONSTRAINT limited CHECK (v < 1000 AND a > 0),
  PRIMARY KEY (a), KEY st (st)
);
INSERT INTO computed (a, b, j, z) VALUES (1, 2, '{"n": 3}', 4), (5, 6, NULL, 7);
CREATE TABLE parent (
  id INT NOT NULL AUTO_INCREMENT, code VARCHAR(10) NOT NULL, x INT, y INT, body TEXT, later DATETIME DEFAULT NULL,
  PRIMARY KEY (id), UNIQUE KEY code (code), KEY xy (x, y DESC), KEY prefix (body(10)), FULLTEXT KEY words (body) ,
  CONSTRAINT positive CHECK (x > 0), CONSTRAINT loose CHECK (y < 10) NOT ENFORCED
) COMMENT='the parent; has everything';
INSERT INTO parent VALUES (1,'one',1,2,'some words here','2026-01-01'),(2,'two',3,NULL,NULL,NULL);
CREATE TABLE child (
  id INT NOT NULL AUTO_INCREMENT, parent_id INT, code VARCHAR(10),
  PRIMARY KEY (id), KEY p (parent_id), KEY c (code),
  CONSTRAINT child_parent FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE CASCADE ON UPDATE SET NULL,
  CONSTRAINT child_code FOREIGN KEY (code) REFERENCES parent (code) ON DELETE SET NULL
);
INSERT INTO child VALUES (1,1,'one'),(2,2,NULL),(3,NULL,'two');
CREATE TABLE collated (k VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL, n INT, PRIMARY KEY (k)) COLLATE utf8mb4_bin;
INSERT INTO collated VALUES ('A', 1), ('b', 2);
CREATE TABLE `odd ``name` (`the col` INT, `select` INT, KEY `an index` (`the col`, `select`));
INSERT INTO `odd ``name` VALUES (1, 2);
CREATE TABLE nokey (a INT, b TEXT);
INSERT INTO nokey VALUES (1, 'x'), (1, 'x'), (NULL, NULL);
CREATE TABLE log (at_row INT, what VARCHAR(50));
CREATE VIEW names AS SELECT p.id, p.code, COUNT(c.id) AS children FROM parent p LEFT JOIN child c ON c.parent_id = p.id GROUP BY p.id, p.code;
CREATE VIEW a_first AS SELECT * FROM names WHERE children > 0;
DELIMITER //
CREATE TRIGGER parent_ai AFTER INSERT ON parent FOR EACH ROW INSERT INTO log VALUES (NEW.id, 'inserted; one')//
CREATE TRIGGER parent_bu BEFORE UPDATE ON parent FOR EACH ROW BEGIN
  IF NEW.x IS NULL THEN SET NEW.x = 1; END IF;
  SET NEW.later = '2026-02-02';
END//
CREATE PROCEDURE add_parent(IN c VARCHAR(10), OUT n INT) COMMENT 'adds one' BEGIN
  DECLARE i INT DEFAULT 0;
  WHILE i < 1 DO
    INSERT INTO parent (code, x) VALUES (c, 1);
    SET i = i + 1;
  END WHILE;
  SELECT COUNT(*) INTO n FROM parent;
END//
CREATE EVENT later ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' COMMENT 'an event' DO INSERT INTO log VALUES (0, 'event; ran')//
DELIMITER ;
CREATE TABLE fractions (id INT NOT NULL, t TIME(3) DEFAULT NULL, PRIMARY KEY (id));
INSERT INTO fractions VALUES (1, '-12:34:56.789'), (2, NULL);
