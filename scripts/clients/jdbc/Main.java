// JDBC with MariaDB's driver: metadata, types, prepared statements of both kinds,
// batches, generated keys, streaming, savepoints, errors, procedures, readers.
import java.math.BigDecimal;
import java.sql.*;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

public class Main {
  interface Body {
    void run() throws Exception;
  }

  static boolean failed;

  static void check(String name, Body body) {
    try {
      body.run();
      System.out.println("ok " + name);
    } catch (Throwable t) {
      failed = true;
      System.out.println("FAIL " + name);
      for (String line : t.toString().split("\n")) System.out.println("    " + line);
      for (StackTraceElement e : t.getStackTrace()) if (e.getClassName().startsWith("Main")) System.out.println("    at line " + e.getLineNumber());
    }
  }

  static void equal(Object got, Object want) {
    if (!Objects.equals(String.valueOf(got), String.valueOf(want))) throw new AssertionError("got " + got + ", want " + want);
  }

  static Connection connect(String database, String options) throws SQLException {
    return DriverManager.getConnection("jdbc:mariadb://" + System.getenv("CLIENTS_HOST") + ":" + System.getenv("CLIENTS_PORT") + "/" + database + "?user=root&" + options);
  }

  /** rows gives the named columns of every row, a row as one text. */
  static List<String> rows(ResultSet r, String... columns) throws SQLException {
    List<String> out = new ArrayList<>();
    while (r.next()) {
      List<String> row = new ArrayList<>();
      for (String c : columns) row.add(r.getString(c));
      out.add(String.join(" ", row.stream().map(String::valueOf).toList()));
    }
    r.close();
    return out;
  }

  static void list(ResultSet r, String columns, String... want) throws SQLException {
    equal(String.join("\n", rows(r, columns.split(" "))), String.join("\n", want));
  }

  static void fails(int number, String state, Body body) throws Exception {
    try {
      body.run();
    } catch (SQLException e) {
      equal(e.getErrorCode() + " " + e.getSQLState(), number + " " + state);
      return;
    }
    throw new AssertionError("no error " + number);
  }

  static Connection c;
  static Statement s;

  public static void main(String[] args) throws Exception {
    try (Connection first = connect("", "")) {
      first.createStatement().execute("DROP DATABASE IF EXISTS c_jdbc");
      first.createStatement().execute("CREATE DATABASE c_jdbc");
    }
    c = connect("c_jdbc", "");
    s = c.createStatement();
    schema();
    check("the product and its version", Main::product);
    check("getCatalogs, getTables, getTableTypes", Main::tables);
    check("getColumns describes each type", Main::columns);
    check("getPrimaryKeys, getIndexInfo", Main::keys);
    check("getImportedKeys, getExportedKeys, getCrossReference", Main::references);
    check("getProcedures, getProcedureColumns, getFunctions", Main::procedures);
    check("getTypeInfo, keywords, functions and privileges", Main::rest);
    for (boolean prepared : new boolean[] {false, true}) {
      String options = "useServerPrepStmts=" + prepared + "&cachePrepStmts=" + prepared;
      String kind = prepared ? " of the server" : " of the client";
      check("values of every type, prepared statements" + kind, () -> values(options));
      check("batches and generated keys, prepared statements" + kind, () -> batches(options));
      check("rewritten batches, prepared statements" + kind, () -> rewritten(options + "&rewriteBatchedStatements=true"));
    }
    check("a result streams, two at once on two connections", Main::streams);
    check("transactions, savepoints, isolation, read-only", Main::transactions);
    check("locking reads wait and give up", Main::locks);
    check("errors have numbers and states", Main::errors);
    check("CallableStatement: OUT, INOUT, several results", Main::calls);
    check("several statements in one, updates counted", Main::several);
    check("a scrollable and an updatable result", Main::updatable);
    check("a query times out and is cancelled", Main::timeouts);
    System.exit(failed ? 1 : 0);
  }

  static void schema() throws SQLException {
    s.execute("CREATE TABLE parent (id INT AUTO_INCREMENT PRIMARY KEY, code VARCHAR(20) NOT NULL, name VARCHAR(50) DEFAULT 'x' COMMENT 'the name', UNIQUE KEY code (code), KEY name (name, code)) COMMENT='parents'");
    s.execute("CREATE TABLE child (a INT NOT NULL, b INT NOT NULL, parent INT, PRIMARY KEY (b, a), CONSTRAINT child_parent FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE ON UPDATE SET NULL)");
    s.execute("CREATE VIEW names AS SELECT id, name FROM parent");
    s.execute("CREATE TABLE v (id INT PRIMARY KEY AUTO_INCREMENT, ti TINYINT, bo TINYINT(1), si SMALLINT UNSIGNED, i INT, u BIGINT UNSIGNED, d DECIMAL(20,5), f FLOAT, db DOUBLE, ch CHAR(5), s VARCHAR(50), tx TEXT, b BLOB, vb VARBINARY(10),"
        + " da DATE, dt DATETIME(6), ts TIMESTAMP NULL, t TIME, y YEAR, j JSON, e ENUM('a','b'), st SET('x','y'), bi BIT(9), b1 BIT(1), g INT GENERATED ALWAYS AS (i + 1) VIRTUAL)");
    s.execute("CREATE PROCEDURE p (IN a INT, OUT b VARCHAR(20), INOUT c DECIMAL(10,2)) COMMENT 'three' BEGIN SET b = CONCAT('a', a); SET c = c * 2; SELECT a; SELECT b; END");
  }

  static void product() throws SQLException {
    DatabaseMetaData m = c.getMetaData();
    equal(m.getDatabaseProductName(), "MySQL");
    equal(m.getDatabaseMajorVersion() + "." + m.getDatabaseMinorVersion(), "8.0");
    equal(m.getUserName(), "root");
    equal(c.getCatalog(), "c_jdbc");
    equal(m.getDefaultTransactionIsolation(), Connection.TRANSACTION_REPEATABLE_READ);
  }

  static void tables() throws SQLException {
    DatabaseMetaData m = c.getMetaData();
    list(m.getTables("c_jdbc", null, "%", null), "TABLE_NAME TABLE_TYPE REMARKS", "child TABLE ", "parent TABLE parents", "v TABLE ", "names VIEW VIEW");
    list(m.getTables("c_jdbc", null, "p%", new String[] {"TABLE"}), "TABLE_NAME", "parent");
    if (!rows(m.getCatalogs(), "TABLE_CAT").contains("c_jdbc")) throw new AssertionError("the database is no catalog");
    equal(rows(m.getTables("information_schema", null, "TABLES", null), "TABLE_NAME TABLE_TYPE".split(" ")), "[TABLES SYSTEM VIEW]");
  }

  static void columns() throws SQLException {
    DatabaseMetaData m = c.getMetaData();
    list(m.getColumns("c_jdbc", null, "parent", "%"), "COLUMN_NAME DATA_TYPE TYPE_NAME COLUMN_SIZE NULLABLE COLUMN_DEF IS_AUTOINCREMENT ORDINAL_POSITION REMARKS",
        "id 4 INT 10 0 null YES 1 ", "code 12 VARCHAR 20 0 null NO 2 ", "name 12 VARCHAR 50 1 x NO 3 the name");
    list(m.getColumns("c_jdbc", null, "v", "%"), "COLUMN_NAME DATA_TYPE TYPE_NAME COLUMN_SIZE DECIMAL_DIGITS IS_GENERATEDCOLUMN",
        "id 4 INT 10 0 NO", "ti -6 TINYINT 3 0 NO", "bo -7 BIT 3 0 NO", "si 5 SMALLINT UNSIGNED 5 0 NO", "i 4 INT 10 0 NO", "u -5 BIGINT UNSIGNED 20 0 NO", "d 3 DECIMAL 20 5 NO", "f 7 FLOAT 12 null NO",
        "db 8 DOUBLE 22 null NO", "ch 1 CHAR 5 null NO", "s 12 VARCHAR 50 null NO", "tx -1 TEXT 65535 null NO", "b -4 BLOB 65535 null NO", "vb -3 VARBINARY 10 null NO", "da 91 DATE 10 null NO",
        "dt 93 DATETIME 26 null NO", "ts 93 TIMESTAMP 19 null NO", "t 92 TIME 10 null NO", "y 91 YEAR null null NO", "j 1111 JSON null null NO", "e 12 ENUM 1 null NO", "st 12 SET 3 null NO",
        "bi -7 BIT 9 null NO", "b1 -7 BIT 1 null NO", "g 4 INT 10 0 YES");
  }

  static void keys() throws SQLException {
    DatabaseMetaData m = c.getMetaData();
    list(m.getPrimaryKeys("c_jdbc", null, "child"), "COLUMN_NAME KEY_SEQ PK_NAME", "a 2 PRIMARY", "b 1 PRIMARY");
    list(m.getIndexInfo("c_jdbc", null, "parent", false, true), "INDEX_NAME NON_UNIQUE ORDINAL_POSITION COLUMN_NAME ASC_OR_DESC",
        "code 0 1 code A", "PRIMARY 0 1 id A", "name 1 1 name A", "name 1 2 code A");
    list(m.getBestRowIdentifier("c_jdbc", null, "parent", DatabaseMetaData.bestRowSession, true), "COLUMN_NAME TYPE_NAME", "id int");
  }

  static void references() throws SQLException {
    DatabaseMetaData m = c.getMetaData();
    String columns = "PKTABLE_NAME PKCOLUMN_NAME FKTABLE_NAME FKCOLUMN_NAME KEY_SEQ UPDATE_RULE DELETE_RULE FK_NAME PK_NAME";
    String want = "parent id child parent 1 2 0 child_parent PRIMARY";
    list(m.getImportedKeys("c_jdbc", null, "child"), columns, want.replace("PRIMARY", "null")); // it reads SHOW CREATE TABLE
    list(m.getExportedKeys("c_jdbc", null, "parent"), columns, want);
    list(m.getCrossReference("c_jdbc", null, "parent", "c_jdbc", null, "child"), columns, want);
  }

  static void procedures() throws SQLException {
    DatabaseMetaData m = c.getMetaData();
    list(m.getProcedures("c_jdbc", null, "%"), "PROCEDURE_NAME PROCEDURE_TYPE REMARKS", "p 1 three");
    list(m.getProcedureColumns("c_jdbc", null, "p", "%"), "COLUMN_NAME COLUMN_TYPE DATA_TYPE TYPE_NAME ORDINAL_POSITION", "a 1 4 int 1", "b 4 12 varchar 2", "c 2 3 decimal 3");
    list(m.getFunctions("c_jdbc", null, "%"), "FUNCTION_NAME");
    list(m.getFunctionColumns("c_jdbc", null, "%", "%"), "COLUMN_NAME");
  }

  static void rest() throws SQLException {
    DatabaseMetaData m = c.getMetaData();
    if (rows(m.getTypeInfo(), "TYPE_NAME").size() < 20) throw new AssertionError("few types");
    if (m.getSQLKeywords().isEmpty() || m.getNumericFunctions().isEmpty()) throw new AssertionError("no keywords");
    list(m.getTablePrivileges("c_jdbc", null, "%"), "TABLE_NAME");
    list(m.getColumnPrivileges("c_jdbc", null, "v", "%"), "COLUMN_NAME");
    list(m.getVersionColumns("c_jdbc", null, "v"), "COLUMN_NAME");
    list(m.getSchemas(), "TABLE_SCHEM");
    list(m.getUDTs("c_jdbc", null, "%", null), "TYPE_NAME");
    list(m.getClientInfoProperties(), "NAME", "ApplicationName", "ClientUser", "ClientHostname");
    equal(m.getMaxConnections() >= 0, true);
  }

  static void values(String options) throws Exception {
    try (Connection c = connect("c_jdbc", options)) {
      c.createStatement().execute("TRUNCATE v");
      PreparedStatement p = c.prepareStatement("INSERT INTO v (ti,bo,si,i,u,d,f,db,ch,s,tx,b,vb,da,dt,ts,t,y,j,e,st,bi,b1) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", Statement.RETURN_GENERATED_KEYS);
      byte[] bytes = new byte[256];
      for (int i = 0; i < 256; i++) bytes[i] = (byte) i;
      LocalDateTime moment = LocalDateTime.of(2026, 1, 2, 3, 4, 5, 678901000);
      Object[] row = {-128, true, 65535, -5, new java.math.BigInteger("18446744073709551615"), new BigDecimal("123456789012345.67890"), 1.5f, 0.1, "äb", "ä'\"\\😀\0", "text".repeat(1000), bytes, new byte[] {0, 1, -1},
          LocalDate.of(2024, 2, 29), moment, Timestamp.valueOf("2026-01-02 03:04:05"), Time.valueOf("23:59:58"), 2026, "{\"a\": [1, null]}", "b", "x,y", new byte[] {1, 0x55}, true};
      for (int i = 0; i < row.length; i++) p.setObject(i + 1, row[i]);
      equal(p.executeUpdate(), 1);
      ResultSet k = p.getGeneratedKeys();
      k.next();
      equal(k.getLong(1), 1);
      for (int i = 0; i < row.length; i++) p.setNull(i + 1, Types.NULL);
      p.executeUpdate();
      p = c.prepareStatement("SELECT ti,bo,si,i,u,d,f,db,ch,s,tx,b,vb,da,dt,ts,t,y,j,e,st,bi,b1,g FROM v WHERE id >= ? ORDER BY id");
      p.setInt(1, 1);
      ResultSet r = p.executeQuery();
      r.next();
      equal(r.getInt(1), -128);
      equal(r.getObject(2), true);
      equal(r.getInt(3), 65535);
      equal(r.getInt(4), -5);
      equal(r.getObject(5), row[4]);
      equal(r.getBigDecimal(6), row[5]);
      equal(r.getFloat(7), 1.5);
      equal(r.getDouble(8), 0.1);
      for (int i : new int[] {9, 10, 11, 19, 20, 21}) equal(r.getString(i), row[i - 1]);
      equal(Arrays.toString(r.getBytes(12)), Arrays.toString(bytes));
      equal(Arrays.toString(r.getBytes(13)), "[0, 1, -1]");
      equal(r.getObject(14, LocalDate.class), row[13]);
      equal(r.getObject(15, LocalDateTime.class), moment);
      equal(r.getTimestamp(16), row[15]);
      equal(r.getTime(17), "23:59:58");
      equal(r.getInt(18), 2026);
      equal(Arrays.toString(r.getBytes(22)), "[1, 85]");
      equal(r.getObject(23), true);
      equal(r.getInt(24), -4);
      r.next();
      for (int i = 1; i <= 24; i++) equal(r.getObject(i), null);
      equal(r.next(), false);
      ResultSetMetaData m = r.getMetaData();
      StringBuilder types = new StringBuilder();
      for (int i = 1; i <= m.getColumnCount(); i++) types.append(m.getColumnTypeName(i)).append(' ').append(i < 9 ? m.getPrecision(i) + "," + m.getScale(i) : "").append(';');
      equal(types, "TINYINT 4,0;TINYINT 1,0;SMALLINT UNSIGNED 5,0;INTEGER 11,0;BIGINT UNSIGNED 20,0;DECIMAL 20,5;FLOAT 12,31;DOUBLE 22,31;CHAR ;VARCHAR ;MEDIUMTEXT ;BLOB ;VARBINARY ;"
          + "DATE ;DATETIME ;TIMESTAMP ;TIME ;YEAR ;JSON ;CHAR ;CHAR ;BIT ;BIT ;INTEGER ;");
    }
  }

  static void batches(String options) throws Exception {
    try (Connection c = connect("c_jdbc", options)) {
      c.createStatement().execute("DROP TABLE IF EXISTS b");
      c.createStatement().execute("CREATE TABLE b (id INT AUTO_INCREMENT PRIMARY KEY, n INT UNIQUE)");
      PreparedStatement p = c.prepareStatement("INSERT INTO b (n) VALUES (?)", Statement.RETURN_GENERATED_KEYS);
      for (int i = 0; i < 300; i++) {
        p.setInt(1, i);
        p.addBatch();
      }
      equal(Arrays.stream(p.executeBatch()).sum(), 300);
      List<String> keys = rows(p.getGeneratedKeys(), "GENERATED_KEY".replace("GENERATED_KEY", "insert_id"));
      equal(keys.size() + " " + keys.get(0) + " " + keys.get(299), "300 1 300");
      for (int i : new int[] {1000, 5, 1001}) {
        p.setInt(1, i);
        p.addBatch();
      }
      try {
        p.executeBatch();
        throw new AssertionError("no error");
      } catch (BatchUpdateException e) {
        equal(e.getErrorCode(), 1062);
      }
      Statement s = c.createStatement();
      s.addBatch("UPDATE b SET n = n + 10000 WHERE n < 10");
      s.addBatch("DELETE FROM b WHERE n = 10");
      s.addBatch("INSERT INTO b (n) VALUES (-1), (-2)");
      equal(Arrays.toString(s.executeBatch()), "[10, 1, 2]");
      p = c.prepareStatement("INSERT INTO b (id, n) VALUES (?, ?) ON DUPLICATE KEY UPDATE n = VALUES(n)", Statement.RETURN_GENERATED_KEYS);
      p.setInt(1, 20);
      p.setInt(2, 20000);
      equal(p.executeUpdate(), 2);
    }
  }

  static void rewritten(String options) throws Exception {
    try (Connection c = connect("c_jdbc", options)) {
      c.createStatement().execute("TRUNCATE b");
      PreparedStatement p = c.prepareStatement("INSERT INTO b (n) VALUES (?)", Statement.RETURN_GENERATED_KEYS);
      for (int i = 0; i < 5000; i++) {
        p.setInt(1, i);
        p.addBatch();
      }
      p.executeBatch();
      List<String> keys = rows(p.getGeneratedKeys(), "insert_id");
      equal(keys.size() + " " + keys.get(0) + " " + keys.get(4999), "5000 1 5000");
      p = c.prepareStatement("UPDATE b SET n = ? WHERE id = ?");
      for (int i = 0; i < 100; i++) {
        p.setInt(1, -i);
        p.setInt(2, i + 1);
        p.addBatch();
      }
      p.executeBatch();
      list(c.createStatement().executeQuery("SELECT COUNT(*) n, SUM(n < 0) m FROM b"), "n m", "5000 99");
    }
  }

  static void streams() throws Exception {
    s.execute("SET SESSION cte_max_recursion_depth = 100000");
    s.execute("CREATE TABLE big AS WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 50000) SELECT n, REPEAT('x', 100) t FROM r");
    try (Connection d = connect("c_jdbc", "useServerPrepStmts=true")) {
      Statement one = c.createStatement();
      one.setFetchSize(100);
      PreparedStatement two = d.prepareStatement("SELECT n, t FROM big WHERE n > ?");
      two.setFetchSize(1000);
      two.setInt(1, 0);
      ResultSet a = one.executeQuery("SELECT n, t FROM big"), b = two.executeQuery();
      long sum = 0;
      while (a.next() && b.next()) sum += a.getInt(1) + b.getInt(1);
      equal(sum, 2L * 50000 * 50001 / 2);
      one.setMaxRows(7);
      equal(rows(one.executeQuery("SELECT n FROM big"), "n").size(), 7);
    }
  }

  static void transactions() throws Exception {
    s.execute("CREATE TABLE t (id INT PRIMARY KEY, n INT)");
    try (Connection d = connect("c_jdbc", "")) {
      c.setAutoCommit(false);
      s.execute("INSERT INTO t VALUES (1, 1)");
      Savepoint named = c.setSavepoint("spot");
      s.execute("INSERT INTO t VALUES (2, 2)");
      Savepoint unnamed = c.setSavepoint();
      s.execute("INSERT INTO t VALUES (3, 3)");
      c.rollback(unnamed);
      list(d.createStatement().executeQuery("SELECT id FROM t"), "id");
      c.rollback(named);
      c.releaseSavepoint(named);
      fails(1305, "42000", () -> c.rollback(named));
      c.commit();
      list(d.createStatement().executeQuery("SELECT id FROM t"), "id", "1");
      for (int level : new int[] {1, 2, 8, 4}) {
        c.setTransactionIsolation(level);
        equal(c.getTransactionIsolation(), level);
      }
      c.setAutoCommit(true);
      d.createStatement().execute("SET SESSION TRANSACTION READ ONLY");
      fails(1792, "25006", () -> d.createStatement().execute("INSERT INTO t VALUES (9, 9)"));
      d.createStatement().execute("SET SESSION TRANSACTION READ WRITE");
      d.createStatement().execute("INSERT INTO t VALUES (9, 9)");
      equal(d.isValid(2), true);
    } finally {
      c.setAutoCommit(true);
    }
  }

  static void locks() throws Exception {
    try (Connection d = connect("c_jdbc", "sessionVariables=innodb_lock_wait_timeout=1")) {
      c.setAutoCommit(false);
      s.executeQuery("SELECT * FROM t WHERE id = 1 FOR UPDATE").close();
      fails(1205, "HY000", () -> d.createStatement().executeUpdate("UPDATE t SET n = 2 WHERE id = 1"));
      fails(3572, "HY000", () -> d.createStatement().executeQuery("SELECT * FROM t WHERE id = 1 FOR UPDATE NOWAIT"));
      list(d.createStatement().executeQuery("SELECT id FROM t FOR UPDATE SKIP LOCKED"), "id", "9");
      c.rollback();
    } finally {
      c.setAutoCommit(true);
    }
  }

  static void errors() throws Exception {
    fails(1062, "23000", () -> s.execute("INSERT INTO t VALUES (1, 1)"));
    fails(1146, "42S02", () -> s.execute("SELECT * FROM nothing"));
    fails(1064, "42000", () -> s.execute("SELEC"));
    fails(1054, "42S22", () -> s.execute("SELECT nothing FROM t"));
    fails(1452, "23000", () -> s.execute("INSERT INTO child VALUES (1, 1, 77)"));
    fails(1048, "23000", () -> s.execute("INSERT INTO parent (code) VALUES (NULL)"));
    fails(1406, "22001", () -> s.execute("INSERT INTO parent (code) VALUES (REPEAT('x', 21))"));
    fails(1264, "22003", () -> s.execute("INSERT INTO t VALUES (99999999999, 1)"));
    fails(1049, "42000", () -> connect("c_nothing", "").close());
    s.executeQuery("SELECT 1 / 0, CAST('x' AS SIGNED)").close();
    equal(s.getWarnings().getErrorCode(), 1365);
  }

  static void calls() throws Exception {
    CallableStatement k = c.prepareCall("{call p(?, ?, ?)}");
    k.setInt(1, 5);
    k.registerOutParameter(2, Types.VARCHAR);
    k.setBigDecimal(3, new BigDecimal("1.25"));
    k.registerOutParameter(3, Types.DECIMAL);
    equal(k.execute(), true);
    list(k.getResultSet(), "a", "5");
    equal(k.getMoreResults(), true);
    list(k.getResultSet(), "b", "a5");
    equal(k.getString(2), "a5");
    equal(k.getBigDecimal(3), "2.50");
    equal(k.getString("b"), "a5");
    equal(k.getParameterMetaData().getParameterTypeName(3), "DECIMAL");
  }

  static void several() throws Exception {
    try (Connection d = connect("c_jdbc", "allowMultiQueries=true")) {
      Statement s = d.createStatement();
      equal(s.execute("SELECT 1 a; UPDATE t SET n = n + 1; SELECT 2 a; DELETE FROM t WHERE id = 1234"), true);
      list(s.getResultSet(), "a", "1");
      equal(s.getMoreResults(), false);
      equal(s.getUpdateCount(), 2);
      equal(s.getMoreResults(), true);
      list(s.getResultSet(), "a", "2");
      equal(s.getMoreResults(), false);
      equal(s.getUpdateCount(), 0);
      s.getMoreResults();
      equal(s.getUpdateCount(), -1);
      equal(s.executeUpdate("UPDATE t SET n = n"), 2);
    }
    try (Connection d = connect("c_jdbc", "useAffectedRows=true")) {
      equal(d.createStatement().executeUpdate("UPDATE t SET n = n"), 0);
    }
  }

  static void updatable() throws Exception {
    Statement u = c.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE);
    ResultSet r = u.executeQuery("SELECT id, n FROM t ORDER BY id");
    r.last();
    equal(r.getRow() + " " + r.getInt("id"), "2 9");
    r.updateInt("n", 99);
    r.updateRow();
    r.moveToInsertRow();
    r.updateInt("id", 10);
    r.updateInt("n", 100);
    r.insertRow();
    r.absolute(1);
    r.deleteRow();
    list(s.executeQuery("SELECT id, n FROM t ORDER BY id"), "id n", "9 99", "10 100");
  }

  static void timeouts() throws Exception {
    try (Connection d = connect("c_jdbc", ""); Statement q = d.createStatement()) {
      q.setQueryTimeout(1);
      try {
        q.executeQuery("SELECT SLEEP(20) FROM t");
        throw new AssertionError("no timeout");
      } catch (SQLTimeoutException e) {
        equal(e.getErrorCode(), 1317);
      }
      q.setQueryTimeout(0);
      list(q.executeQuery("SELECT 1 a"), "a", "1");
      Thread killer = new Thread(() -> {
        try (Connection k = connect("", "")) {
          String find = "SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(21)%'";
          ResultSet r = k.createStatement().executeQuery(find);
          while (!r.next()) r = k.createStatement().executeQuery(find);
          q.cancel();
        } catch (SQLException e) {
          e.printStackTrace(System.out);
        }
      });
      killer.start();
      fails(1317, "70100", () -> q.executeQuery("SELECT SLEEP(21), COUNT(*) FROM big"));
      killer.join();
    }
  }
}
