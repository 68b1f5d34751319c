package gms

import (
	"context"
	"math"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/information_schema"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/go-mysql-server/sql/variables"
	"github.com/dolthub/vitess/go/sqltypes"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// auroraVersion is what aurora_version() returns: drivers take a server with
// one for an Aurora cluster.
const auroraVersion = "3.08.0"

var engineVariables sync.Once

// addVariables adds the system variables that the planner lacks, in every process
// that plans.
func addVariables() {
	engineVariables.Do(func() {
		if sql.SystemVariables == nil {
			variables.InitSystemVariables()
		}
		sql.SystemVariables = variableRegistry{sql.SystemVariables}
		variables.InitStatusVariables()
		sql.StatusVariables = statusRegistry{sql.StatusVariables}
		both := sql.GetMysqlScope(sql.SystemVariableScope_Both)
		global := sql.GetMysqlScope(sql.SystemVariableScope_Global)
		sql.SystemVariables.AddSystemVariables([]sql.SystemVariable{
			&sql.MysqlSystemVariable{
				Name: "innodb_lock_wait_timeout", Scope: both, Dynamic: true, Default: int64(50),
				Type: types.NewSystemIntType("innodb_lock_wait_timeout", 1, 1073741824, false),
			},
			&sql.MysqlSystemVariable{
				Name: "rand_seed2", Scope: sql.GetMysqlScope(sql.SystemVariableScope_Session), Dynamic: true, Default: int64(0),
				Type: types.NewSystemIntType("rand_seed2", math.MinInt64, math.MaxInt64, false),
			},
			&sql.MysqlSystemVariable{
				Name: "sextant_strict_snapshot", Scope: both, Dynamic: true, Default: int8(0),
				Type: types.NewSystemBoolType("sextant_strict_snapshot"),
			},
			&sql.MysqlSystemVariable{
				Name: "binlog_format", Scope: both, Dynamic: true, Default: "ROW",
				Type: types.NewSystemEnumType("binlog_format", "MIXED", "STATEMENT", "ROW"),
			},
			&sql.MysqlSystemVariable{
				Name: "sql_generate_invisible_primary_key", Scope: both, Dynamic: true, Default: int8(0),
				Type: types.NewSystemBoolType("sql_generate_invisible_primary_key"),
			},
			&sql.MysqlSystemVariable{
				Name: "profiling", Scope: both, Dynamic: true, Default: int8(0), Type: types.NewSystemBoolType("profiling"),
			},
			&sql.MysqlSystemVariable{
				Name: "profiling_history_size", Scope: both, Dynamic: true, Default: int64(15),
				Type: types.NewSystemIntType("profiling_history_size", 0, 100, false),
			},
			&sql.MysqlSystemVariable{
				Name: "innodb_stats_method", Scope: global, Dynamic: true, Default: "nulls_equal",
				Type: types.NewSystemEnumType("innodb_stats_method", "nulls_equal", "nulls_unequal", "nulls_ignored"),
			},
			&sql.MysqlSystemVariable{
				Name: "performance_schema_digests_size", Scope: global, Default: int64(digestsMax),
				Type: types.NewSystemIntType("performance_schema_digests_size", -1, 1048576, true),
			},
			&sql.MysqlSystemVariable{
				Name: "performance_schema_max_digest_length", Scope: global, Default: int64(syntax.DigestTextMax),
				Type: types.NewSystemIntType("performance_schema_max_digest_length", 0, 1048576, false),
			},
			&sql.MysqlSystemVariable{
				Name: "performance_schema_max_sql_text_length", Scope: global, Default: int64(sampleMax),
				Type: types.NewSystemIntType("performance_schema_max_sql_text_length", 0, 1048576, false),
			},
			&sql.MysqlSystemVariable{
				Name: "aurora_version", Scope: global, Default: auroraVersion,
				Type: types.NewSystemStringType("aurora_version"),
			},
			&sql.MysqlSystemVariable{
				Name: "aurora_server_id", Scope: global, Default: "",
				Type: types.NewSystemStringType("aurora_server_id"),
			},
		})
		for name, value := range map[string]int8{"innodb_stats_persistent": 1, "innodb_stats_on_metadata": 0, "innodb_stats_include_delete_marked": 0} {
			sql.SystemVariables.AddSystemVariables([]sql.SystemVariable{&sql.MysqlSystemVariable{
				Name: name, Scope: global, Dynamic: true, Default: value, Type: types.NewSystemBoolType(name),
			}})
		}
		for name, pages := range map[string]int64{"innodb_stats_persistent_sample_pages": 20, "innodb_stats_transient_sample_pages": 8} {
			sql.SystemVariables.AddSystemVariables([]sql.SystemVariable{&sql.MysqlSystemVariable{
				Name: name, Scope: global, Dynamic: true, Default: pages, Type: types.NewSystemIntType(name, 1, math.MaxInt64, false),
			}})
		}
		addTLSVariables()
		addFixedVariables()
		addPlannerVariables()
		filtered := *plan.DescribeSchema[10]
		filtered.Type = percentType{types.Float64.(sql.NumberType)}
		plan.DescribeSchema[10] = &filtered
		for _, name := range []string{"read_only", "super_read_only", "innodb_read_only"} { // they follow the role
			sql.SystemVariables.AddSystemVariables([]sql.SystemVariable{&sql.MysqlSystemVariable{
				Name: name, Scope: global, Default: int8(0), Type: types.NewSystemBoolType(name),
			}})
		}
	})
}

// defaultMode is MySQL's default of sql_mode.
const defaultMode = "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"

// initVariables sets what a server of this instance tells its clients. It must come
// before the first session.
func initVariables(o Options) error {
	addVariables()
	if v, _, ok := sql.SystemVariables.GetGlobal("max_connections"); ok {
		if v, ok := v.(*sql.MysqlSystemVariable); ok { // what the configuration has memory for is the most
			most := *v
			most.Type = types.NewSystemIntType(most.Name, 1, int64(o.MaxConnections), false)
			sql.SystemVariables.AddSystemVariables([]sql.SystemVariable{&most})
		}
	}
	if v, _, ok := sql.SystemVariables.GetGlobal("sql_mode"); ok {
		if v, ok := v.(*sql.MysqlSystemVariable); ok {
			mode := *v
			mode.Default = defaultMode
			if t, ok := types.NewSystemSetType(mode.Name, sql.Collation_utf8mb4_0900_ai_ci, value.SQLModes...).(value.SetVariable); ok {
				mode.Type = value.ModeType{SetVariable: t}
			}
			sql.SystemVariables.AddSystemVariables([]sql.SystemVariable{&mode})
		}
	}
	sql.SystemVariables.AddSystemVariables([]sql.SystemVariable{&sql.MysqlSystemVariable{
		Name: "sql_select_limit", Scope: sql.GetMysqlScope(sql.SystemVariableScope_Both), Dynamic: true, SetVarHintApplies: true,
		Default: uint64(math.MaxUint64), Type: types.NewSystemUintType("sql_select_limit", 0, math.MaxUint64),
	}})
	session := sql.GetMysqlScope(sql.SystemVariableScope_Session)
	sql.SystemVariables.AddSystemVariables([]sql.SystemVariable{
		&sql.MysqlSystemVariable{
			Name: "max_execution_time", Scope: sql.GetMysqlScope(sql.SystemVariableScope_Both), Dynamic: true, SetVarHintApplies: true,
			Default: int64(0), Type: types.NewSystemIntType("max_execution_time", 0, math.MaxUint32, false),
		},
		&sql.MysqlSystemVariable{
			Name: "long_query_time", Scope: sql.GetMysqlScope(sql.SystemVariableScope_Both), Dynamic: true,
			Default: 10.0, Type: types.NewSystemDoubleType("long_query_time", 0, 31536000),
		},
		&sql.MysqlSystemVariable{
			Name: "identity", Scope: session, Dynamic: true, Default: int64(0),
			Type: types.NewSystemIntType("identity", math.MinInt64, math.MaxInt64, false),
		},
		&sql.MysqlSystemVariable{
			Name: "warning_count", Scope: session, Default: int64(0), Type: types.NewSystemIntType("warning_count", 0, math.MaxInt64, false),
		},
		&sql.MysqlSystemVariable{
			Name: "error_count", Scope: session, Default: int64(0), Type: types.NewSystemIntType("error_count", 0, math.MaxInt64, false),
		},
	})
	host, err := os.Hostname()
	if err != nil {
		host = o.InstanceID
	}
	collation := sql.Collation_utf8mb4_0900_ai_ci.Name()
	serverCertificates.Store(o.TLS)
	if err := assignDefaults(tlsVariables(o)); err != nil {
		return err
	}
	if a, ok := o.Listener.Addr().(*net.TCPAddr); ok {
		if err := assignDefaults(map[string]any{"port": int64(a.Port)}); err != nil {
			return err
		}
	}
	return assignDefaults(map[string]any{
		"version": ServerVersion, "version_comment": "Source distribution", "version_compile_machine": "x86_64",
		"version_compile_os": "Linux", "version_compile_zlib": "1.2.13", "hostname": host,
		"aurora_server_id": o.InstanceID, "innodb_read_only": int8(1), "read_only": int8(1),
		"performance_schema": int8(1),
		"max_connections":    int64(o.MaxConnections), "max_allowed_packet": int64(64 << 20),
		"tmp_table_size":                uint64(o.StatementMemory),
		"tmpdir":                        o.TempDir,
		"default_authentication_plugin": "caching_sha2_password",
		"secure_file_priv":              secureFilePriv(o.SecureFilePriv),
		"collation_server":              collation, "collation_connection": collation, "collation_database": collation,
		"character_set_server": "utf8mb4", "character_set_connection": "utf8mb4", "character_set_database": "utf8mb4",
		"character_set_client": "utf8mb4", "character_set_results": "utf8mb4",
	})
}

// globalOnly are the variables, in lower case, that sessions have no values of. They are known
// when the first server of the process is made.
var globalOnly = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for name := range sql.SystemVariables.GetAllGlobalVariables() {
		if v, ok := sqlVariable(name); ok && v.IsGlobalOnly() {
			m[strings.ToLower(name)] = true
		}
	}
	return m
})

// variableRegistry is the planner's with the values of SETs as texts.
type variableRegistry struct{ sql.SystemVariableRegistry }

// GetAllGlobalVariables implements sql.SystemVariableRegistry.
func (r variableRegistry) GetAllGlobalVariables() map[string]any {
	m := r.SystemVariableRegistry.GetAllGlobalVariables()
	for name, value := range m {
		if bits, ok := value.(uint64); ok {
			if v, _, ok := r.GetGlobal(name); ok {
				m[name] = shownSet(v, bits)
			}
		}
	}
	return m
}

// shownSet is a variable's value, the bits of a SET as a text.
func shownSet(v sql.SystemVariable, value any) any {
	if bits, ok := value.(uint64); ok {
		if set, ok := v.GetType().(sql.SetType); ok {
			if text, err := set.BitsToString(bits); err == nil {
				return text
			}
		}
	}
	return value
}

// assignDefaults gives variables their values and defaults.
func assignDefaults(values map[string]any) error {
	for name, value := range values {
		v, _, ok := sql.SystemVariables.GetGlobal(name)
		if !ok {
			return sql.ErrUnknownSystemVariable.New(name)
		}
		converted, _, err := v.GetType().Convert(context.Background(), value)
		if err != nil {
			return err
		}
		v.SetDefault(converted)
	}
	return sql.SystemVariables.AssignValues(values)
}

// sessionDefaults makes DEFAULT in a SET of the session what it is, the global value.
func sessionDefaults(stmt ast.Statement) {
	set, ok := stmt.(*ast.Set)
	if !ok {
		return
	}
	for _, e := range set.Exprs {
		if _, ok := e.Expr.(*ast.Default); !ok || e.Scope != ast.SetScope_None && e.Scope != ast.SetScope_Session {
			continue
		}
		name, scope, _, err := ast.VarScope(e.Name.Name.String())
		if err != nil || !e.Name.Qualifier.IsEmpty() || scope != ast.SetScope_None && scope != ast.SetScope_Session {
			continue
		}
		if v, ok := sqlVariable(name); ok && v.Scope.Type == sql.SystemVariableScope_Both {
			e.Expr = &ast.ColName{Name: ast.NewColIdent("@@global." + name)}
		}
	}
}

// sqlVariable returns a system variable's definition.
func sqlVariable(name string) (*sql.MysqlSystemVariable, bool) {
	v, _, _ := sql.SystemVariables.GetGlobal(name)
	m, ok := v.(*sql.MysqlSystemVariable)
	return m, ok
}

// publishRole sets the global variables that follow the role.
func publishRole(writer bool) {
	v := int8(1)
	if writer {
		v = 0
	}
	_ = sql.SystemVariables.AssignValues(map[string]any{"innodb_read_only": v, "read_only": v})
}

// liveVariable returns the value of a variable that follows the instance: a session
// keeps the others as they were at its start.
func (s *Server) liveVariable(name string) (any, bool) {
	switch len(name) {
	case len("read_only"), len("super_read_only"), len("innodb_read_only"), len("port"):
	default:
		return nil, false
	}
	switch strings.ToLower(name) {
	case "read_only", "super_read_only", "innodb_read_only":
		if s.b.readOnly.Load() {
			return int8(1), true
		}
		return int8(0), true
	case "aurora_server_id":
		return s.o.InstanceID, true
	case "port":
		if a, ok := s.o.Listener.Addr().(*net.TCPAddr); ok {
			return int64(a.Port), true
		}
	}
	return nil, false
}

// setCharset gives a session the character set and the collation of the client's greeting, as SET NAMES … COLLATE does; one
// that is not known leaves the server's.
func setCharset(s *Session, collation uint16) error {
	id := sql.CollationID(collation)
	if id == 0 || id.Name() == "" || id.Sorter() == nil || id == sql.Collation_Default {
		return nil
	}
	cs := id.CharacterSet()
	if cs.Encoder() == nil && cs != sql.CharacterSet_binary {
		return nil
	}
	ctx := sql.NewEmptyContext()
	for name, to := range map[string]string{
		"character_set_client": cs.Name(), "character_set_results": cs.Name(), "character_set_connection": cs.Name(), "collation_connection": id.Name(),
	} {
		if err := s.BaseSession.SetSessionVariable(ctx, name, to); err != nil {
			return err
		}
	}
	return nil
}

// registerFunctions adds the functions that the planner lacks.
func registerFunctions(c *analyzer.Catalog) {
	addVariables()
	c.RegisterFunction(sql.NewEmptyContext(),
		sql.Function0{Name: "aurora_version", Fn: func(*sql.Context) sql.Expression {
			return expression.NewLiteral(auroraVersion, types.LongText)
		}},
	)
}

const replicaStatusTable = "replica_host_status"

// addReplicaStatus adds information_schema.replica_host_status; drivers for Aurora
// find the writer and the readers with it. Column names are in lower case: some
// drivers read them by name. Times are cut to the second: drivers compare them
// with NOW(), which the planner cuts.
func (s *Server) addReplicaStatus() {
	col := func(name string, t sql.Type) *sql.Column {
		return &sql.Column{Name: name, Type: t, Source: replicaStatusTable, DatabaseSource: "information_schema", Nullable: true}
	}
	text := types.MustCreateString(sqltypes.VarChar, 100, sql.Collation_Information_Schema_Default)
	information_schema.NewInformationSchemaTablesToAdd[replicaStatusTable] = &information_schema.InformationSchemaTable{
		TableName: replicaStatusTable,
		TableSchema: sql.Schema{
			col("server_id", text), col("session_id", text),
			col("last_update_timestamp", types.DatetimeMaxPrecision),
			col("replica_lag_in_milliseconds", types.Float64), col("cpu", types.Float64),
			col("is_current", types.Int8),
			col("master_slave_latency_in_microseconds", types.Uint64),
			col("log_stream_speed_in_kib_per_second", types.Float64),
			col("current_replay_latency_in_microseconds", types.Uint64),
			col("durable_lsn", types.Uint64), col("current_read_point", types.Uint64),
			col("incarnation", types.Uint64),
		},
		Reader: func(*sql.Context, sql.Catalog) (sql.RowIter, error) {
			return sql.RowsToRowIter(s.replicaRows(time.Now())...), nil
		},
	}
}

func (s *Server) replicaRows(now time.Time) []sql.Row {
	if s.o.ReplicaStatus == nil {
		return nil
	}
	at := now.UTC().Truncate(time.Second).Add(-time.Second)
	var rows []sql.Row
	for _, r := range s.o.ReplicaStatus() {
		session := r.ID
		if r.Writer {
			session = "MASTER_SESSION_ID"
		}
		current := int8(0)
		if r.Current {
			current = 1
		}
		us := uint64(max(r.Lag, 0) / time.Microsecond)
		rows = append(rows, sql.Row{
			r.ID, session, at, float64(us) / 1000, float64(0), current,
			us, float64(0), us, uint64(r.Durable), uint64(r.Applied), r.Incarnation,
		})
	}
	return rows
}
