package gms_test

import (
	"testing"

	"github.com/dolthub/go-mysql-server/enginetest"
	"github.com/dolthub/go-mysql-server/enginetest/queries"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/sql"
)

// suite is one of go-mysql-server's conformance suites.
type suite struct {
	name string
	run  func(*testing.T, enginetest.Harness)
}

// suites are all suites that a storage backend is asked to run, but those that do not
// pass in memory either (BrokenQueries and the like, TpcdsPlans); see skips for
// those that are left out.
var suites = []suite{
	{"AddColumn", enginetest.TestAddColumn},
	{"AddDropPks", enginetest.TestAddDropPks},
	{"AlterTable", enginetest.TestAlterTable},
	{"AmbiguousColumnResolution", enginetest.TestAmbiguousColumnResolution},
	{"AnsiQuotesSqlMode", enginetest.TestAnsiQuotesSqlMode},
	{"AnsiQuotesSqlModePrepared", enginetest.TestAnsiQuotesSqlModePrepared},
	{"Blobs", enginetest.TestBlobs},
	{"CharsetCollationEngine", enginetest.TestCharsetCollationEngine},
	{"CharsetCollationWire", func(t *testing.T, h enginetest.Harness) {
		enginetest.TestCharsetCollationWire(t, h, h.(enginetest.ServerHarness).SessionBuilder())
	}},
	{"ChecksOnInsert", enginetest.TestChecksOnInsert},
	{"ChecksOnUpdate", enginetest.TestChecksOnUpdate},
	{"ClearWarnings", enginetest.TestClearWarnings},
	{"ColumnAliases", enginetest.TestColumnAliases},
	{"ColumnDefaults", enginetest.TestColumnDefaults},
	{"ComplexIndexQueries", enginetest.TestComplexIndexQueries},
	{"ComplexIndexQueriesPrepared", enginetest.TestComplexIndexQueriesPrepared},
	{"ConcurrentCreateDatabaseIfNotExists", enginetest.TestConcurrentCreateDatabaseIfNotExists},
	{"ConcurrentDropDatabaseIfExists", enginetest.TestConcurrentDropDatabaseIfExists},
	{"ConcurrentProcessList", enginetest.TestConcurrentProcessList},
	{"ConcurrentTransactions", enginetest.TestConcurrentTransactions},
	{"Convert", enginetest.TestConvert},
	{"ConvertPrepared", enginetest.TestConvertPrepared},
	{"CreateCheckConstraints", enginetest.TestCreateCheckConstraints},
	{"CreateCheckConstraintsScriptsPrepared", enginetest.TestCreateCheckConstraintsScriptsPrepared},
	{"CreateDatabase", enginetest.TestCreateDatabase},
	{"CreateForeignKeys", enginetest.TestCreateForeignKeys},
	{"CreateTable", enginetest.TestCreateTable},
	{"CurrentTimestamp", enginetest.TestCurrentTimestamp},
	{"DatabaseCollationWire", func(t *testing.T, h enginetest.Harness) {
		enginetest.TestDatabaseCollationWire(t, h, h.(enginetest.ServerHarness).SessionBuilder())
	}},
	{"DateParse", enginetest.TestDateParse},
	{"Delete", enginetest.TestDelete},
	{"DeleteErrors", enginetest.TestDeleteErrors},
	{"DeleteQueriesPrepared", enginetest.TestDeleteQueriesPrepared},
	{"DerivedTableOuterScopeVisibility", enginetest.TestDerivedTableOuterScopeVisibility},
	{"DisallowedCheckConstraints", enginetest.TestDisallowedCheckConstraints},
	{"DropCheckConstraints", enginetest.TestDropCheckConstraints},
	{"DropColumn", enginetest.TestDropColumn},
	{"DropColumnKeylessTables", enginetest.TestDropColumnKeylessTables},
	{"DropDatabase", enginetest.TestDropDatabase},
	{"DropForeignKeys", enginetest.TestDropForeignKeys},
	{"DropTable", enginetest.TestDropTable},
	{"Events", enginetest.TestEvents},
	{"ForeignKeys", enginetest.TestForeignKeys},
	{"FulltextIndexes", enginetest.TestFulltextIndexes},
	{"GeneratedColumnPlans", enginetest.TestGeneratedColumnPlans},
	{"GeneratedColumns", enginetest.TestGeneratedColumns},
	{"IgnoreIntoWithDuplicateUniqueKeyKeyless", enginetest.TestIgnoreIntoWithDuplicateUniqueKeyKeyless},
	{"IgnoreIntoWithDuplicateUniqueKeyKeylessPrepared", enginetest.TestIgnoreIntoWithDuplicateUniqueKeyKeylessPrepared},
	{"ImdbPlans", enginetest.TestImdbPlans},
	{"IndexPrefix", enginetest.TestIndexPrefix},
	{"IndexQueryPlans", enginetest.TestIndexQueryPlans},
	{"IndexedExpressions", enginetest.TestIndexedExpressions},
	{"Indexes", enginetest.TestIndexes},
	{"InfoSchema", enginetest.TestInfoSchema},
	{"InfoSchemaPrepared", enginetest.TestInfoSchemaPrepared},
	{"InnerNestedInNaturalJoins", enginetest.TestInnerNestedInNaturalJoins},
	{"InsertDuplicateKeyKeyless", enginetest.TestInsertDuplicateKeyKeyless},
	{"InsertDuplicateKeyKeylessPrepared", enginetest.TestInsertDuplicateKeyKeylessPrepared},
	{"InsertErrorScriptsPrepared", enginetest.TestInsertErrorScriptsPrepared},
	{"InsertIgnoreInto", enginetest.TestInsertIgnoreInto},
	{"InsertIgnoreScriptsPrepared", enginetest.TestInsertIgnoreScriptsPrepared},
	{"InsertInto", enginetest.TestInsertInto},
	{"InsertIntoErrors", enginetest.TestInsertIntoErrors},
	{"InsertQueriesPrepared", enginetest.TestInsertQueriesPrepared},
	{"InsertScriptsPrepared", enginetest.TestInsertScriptsPrepared},
	{"IntegrationPlans", enginetest.TestIntegrationPlans},
	{"JSONTableQueries", enginetest.TestJSONTableQueries},
	{"JSONTableQueriesPrepared", enginetest.TestJSONTableQueriesPrepared},
	{"JSONTableScripts", enginetest.TestJSONTableScripts},
	{"JSONTableScriptsPrepared", enginetest.TestJSONTableScriptsPrepared},
	{"JoinOps", func(t *testing.T, h enginetest.Harness) {
		enginetest.TestJoinOps(t, h, enginetest.DefaultJoinOpTests)
	}},
	{"JoinPlanning", enginetest.TestJoinPlanning},
	{"JoinQueries", enginetest.TestJoinQueries},
	{"JoinQueriesPrepared", enginetest.TestJoinQueriesPrepared},
	{"JoinStats", enginetest.TestJoinStats},
	{"JsonScripts", func(t *testing.T, h enginetest.Harness) { enginetest.TestJsonScripts(t, h, nil) }},
	{"JsonScriptsPrepared", func(t *testing.T, h enginetest.Harness) { enginetest.TestJsonScriptsPrepared(t, h, nil) }},
	{"LargeGeometryScripts", enginetest.TestLargeGeometryScripts},
	{"LargeGeometryScriptsPrepared", enginetest.TestLargeGeometryScriptsPrepared},
	{"LateralJoinQueries", enginetest.TestLateralJoinQueries},
	{"LoadData", enginetest.TestLoadData},
	{"LoadDataErrors", enginetest.TestLoadDataErrors},
	{"LoadDataFailing", enginetest.TestLoadDataFailing},
	{"LoadDataPrepared", enginetest.TestLoadDataPrepared},
	{"ModifyColumn", enginetest.TestModifyColumn},
	{"MySqlDb", enginetest.TestMySqlDb},
	{"MySqlDbPrepared", enginetest.TestMySqlDbPrepared},
	{"NamedWindows", enginetest.TestNamedWindows},
	{"NaturalJoin", enginetest.TestNaturalJoin},
	{"NaturalJoinDisjoint", enginetest.TestNaturalJoinDisjoint},
	{"NaturalJoinEqual", enginetest.TestNaturalJoinEqual},
	{"NoDatabaseSelected", enginetest.TestNoDatabaseSelected},
	{"NullRanges", enginetest.TestNullRanges},
	{"NumericErrorScripts", enginetest.TestNumericErrorScripts},
	{"OnUpdateExprScripts", enginetest.TestOnUpdateExprScripts},
	{"OrderByGroupBy", enginetest.TestOrderByGroupBy},
	{"Persist", testPersist},
	{"PkOrdinalsDDL", enginetest.TestPkOrdinalsDDL},
	{"PkOrdinalsDML", enginetest.TestPkOrdinalsDML},
	{"Prepared", enginetest.TestPrepared},
	{"PreparedInsert", enginetest.TestPreparedInsert},
	{"PreparedStatements", enginetest.TestPreparedStatements},
	{"PrivilegePersistence", enginetest.TestPrivilegePersistence},
	{"Queries", enginetest.TestQueries},
	{"QueriesPrepared", enginetest.TestQueriesPrepared},
	{"QueryPlans", func(t *testing.T, h enginetest.Harness) { enginetest.TestQueryPlans(t, h, queries.PlanTests) }},
	{"QueryErrors", enginetest.TestQueryErrors},
	{"QueryPlanScripts", enginetest.TestQueryPlanScripts},
	{"ReadOnly", func(t *testing.T, h enginetest.Harness) { enginetest.TestReadOnly(t, h, true) }},
	{"ReadOnlyDatabases", func(t *testing.T, _ enginetest.Harness) {
		enginetest.TestReadOnlyDatabases(t, enginetest.NewReadOnlyMemoryHarness())
	}},
	{"ReadOnlyVersionedQueries", enginetest.TestReadOnlyVersionedQueries},
	{"RecursiveViewDefinition", enginetest.TestRecursiveViewDefinition},
	{"Regexp", testRegexp},
	{"RenameColumn", enginetest.TestRenameColumn},
	{"RenameTable", enginetest.TestRenameTable},
	{"ReplaceInto", enginetest.TestReplaceInto},
	{"ReplaceIntoErrors", enginetest.TestReplaceIntoErrors},
	{"ReplaceQueriesPrepared", enginetest.TestReplaceQueriesPrepared},
	{"RollbackTriggers", enginetest.TestRollbackTriggers},
	{"RowLimit", enginetest.TestRowLimit},
	{"SQLLogicTests", enginetest.TestSQLLogicTests},
	{"Scripts", enginetest.TestScripts},
	{"ScriptsPrepared", enginetest.TestScriptsPrepared},
	{"SelectIntoFile", enginetest.TestSelectIntoFile},
	{"SessionSelectLimit", enginetest.TestSessionSelectLimit},
	{"ShowTableStatus", enginetest.TestShowTableStatus},
	{"ShowTableStatusPrepared", enginetest.TestShowTableStatusPrepared},
	{"ShowTriggers", enginetest.TestShowTriggers},
	{"SpatialDelete", enginetest.TestSpatialDelete},
	{"SpatialIndexPlans", enginetest.TestSpatialIndexPlans},
	{"SpatialIndexScripts", enginetest.TestSpatialIndexScripts},
	{"SpatialIndexScriptsPrepared", enginetest.TestSpatialIndexScriptsPrepared},
	{"SpatialInsertInto", enginetest.TestSpatialInsertInto},
	{"SpatialQueries", enginetest.TestSpatialQueries},
	{"SpatialQueriesPrepared", enginetest.TestSpatialQueriesPrepared},
	{"SpatialScripts", enginetest.TestSpatialScripts},
	{"SpatialScriptsPrepared", enginetest.TestSpatialScriptsPrepared},
	{"SpatialUpdate", enginetest.TestSpatialUpdate},
	{"StatisticIndexFilters", enginetest.TestStatisticIndexFilters},
	{"Statistics", enginetest.TestStatistics},
	{"StatisticsPrepared", enginetest.TestStatisticsPrepared},
	{"StoredProcedures", enginetest.TestStoredProcedures},
	{"SysbenchPlans", enginetest.TestSysbenchPlans},
	{"TimeQueries", enginetest.TestTimeQueries},
	{"TpccPlans", enginetest.TestTpccPlans},
	{"TpchPlans", enginetest.TestTpchPlans},
	{"Tracing", enginetest.TestTracing},
	{"TransactionScripts", func(t *testing.T, h enginetest.Harness) { // the suite asks for no skips
		for _, script := range queries.TransactionTests {
			if h.(enginetest.SkippingHarness).SkipQueryTest(script.Name) {
				t.Run(script.Name, func(t *testing.T) { t.Skip() })
				continue
			}
			enginetest.TestTransactionScript(t, h, script)
		}
	}},
	{"TriggerErrors", enginetest.TestTriggerErrors},
	{"Triggers", enginetest.TestTriggers},
	{"Truncate", enginetest.TestTruncate},
	{"TupleQueries", enginetest.TestTupleQueries},
	{"TypesOverWire", func(t *testing.T, h enginetest.Harness) {
		enginetest.TestTypesOverWire(t, h.(enginetest.ClientHarness), h.(enginetest.ServerHarness).SessionBuilder())
	}},
	{"Update", enginetest.TestUpdate},
	{"UpdateErrors", enginetest.TestUpdateErrors},
	{"UpdateIgnore", enginetest.TestUpdateIgnore},
	{"UpdateQueriesPrepared", enginetest.TestUpdateQueriesPrepared},
	{"Use", enginetest.TestUse},
	{"UserAuthentication", enginetest.TestUserAuthentication},
	{"ValidateSession", testValidateSession},
	{"VariableErrors", enginetest.TestVariableErrors},
	{"Variables", enginetest.TestVariables},
	{"VectorFunctions", enginetest.TestVectorFunctions},
	{"VectorIndexes", enginetest.TestVectorIndexes},
	{"VectorType", enginetest.TestVectorType},
	{"VersionedQueries", func(t *testing.T, h enginetest.Harness) {
		enginetest.TestVersionedQueries(t, h.(enginetest.VersionedDBHarness))
	}},
	{"VersionedViews", func(t *testing.T, h enginetest.Harness) {
		enginetest.TestVersionedViews(t, h.(enginetest.VersionedDBHarness))
	}},
	{"Views", enginetest.TestViews},
	{"ViewsPrepared", enginetest.TestViewsPrepared},
	{"Warnings", enginetest.TestWarnings},
	{"WindowFunctions", enginetest.TestWindowFunctions},
	{"WindowRangeFrames", enginetest.TestWindowRangeFrames},
	{"WindowRowFrames", enginetest.TestWindowRowFrames},
	{"UserPrivileges", func(t *testing.T, h enginetest.Harness) {
		enginetest.TestUserPrivileges(t, h.(enginetest.ClientHarness))
	}},
}

// testPersist runs TestPersist, which begins with other system variables, and puts ours back.
func testPersist(t *testing.T, h enginetest.Harness) {
	ours := sql.SystemVariables
	defer func() { sql.SystemVariables = ours }()
	enginetest.TestPersist(t, h, func(ctx *sql.Context) sql.PersistableSession {
		if s, ok := ctx.Session.(*memory.Session); ok {
			return s.SetGlobals(memory.GlobalsMap{})
		}
		return ctx.Session.(sql.PersistableSession)
	})
}

func testValidateSession(t *testing.T, h enginetest.Harness) {
	count := 0
	enginetest.TestValidateSession(t, h, func(ctx *sql.Context) sql.PersistableSession {
		s := ctx.Session.(*memory.Session)
		s.SetValidationCallback(func() { count++ })
		return s
	}, &count)
}
