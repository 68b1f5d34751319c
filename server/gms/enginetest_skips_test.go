package gms_test

// suiteSkips are the suites that are not run, with the reason.
var suiteSkips = map[string]string{
	"GeneratedColumnPlans":     "expects plans that follow from another backend's statistics",
	"ImdbPlans":                "expects plans that follow from another backend's statistics",
	"IndexQueryPlans":          "expects plans that follow from another backend's statistics",
	"IntegrationPlans":         "expects plans that follow from another backend's statistics",
	"JoinPlanning":             "expects plans that follow from another backend's statistics",
	"JoinStats":                "expects plans that follow from another backend's statistics",
	"QueryPlanScripts":         "expects plans that follow from another backend's statistics",
	"SpatialIndexPlans":        "expects plans that follow from another backend's statistics",
	"StatisticIndexFilters":    "expects plans that follow from another backend's statistics",
	"Statistics":               "expects plans that follow from another backend's statistics",
	"StatisticsPrepared":       "expects plans that follow from another backend's statistics",
	"SysbenchPlans":            "expects plans that follow from another backend's statistics",
	"TpccPlans":                "expects plans that follow from another backend's statistics",
	"TpcdsPlans":               "expects plans that follow from another backend's statistics",
	"TpchPlans":                "expects plans that follow from another backend's statistics",
	"ReadOnlyVersionedQueries": "history of tables by label is not offered",
	"BrokenInsertScripts":      "statements known to be broken in the planner itself",
	"BrokenJSONTableScripts":   "statements known to be broken in the planner itself",
	"BrokenQueries":            "statements known to be broken in the planner itself",
	"LoadDataFailing":          "statements known to be broken in the planner itself",
	"SQLLogicTests":            "needs files that the module does not ship to importers",
	"VectorIndexes":            "VECTOR indexes are not offered",
	"UserAuthentication":       "starts a server of its own on a fixed port",
	"Tracing":                  "expects the spans of another backend",
	"ConcurrentProcessList":    "the suite itself crashes on a connection that it did not add, with every backend",
	"RowLimit":                 "expects a row limit of 64 KiB that another backend has",
}

// querySkips are single queries that are not run, with the reason. Keys are in
// lower case.
var querySkips = map[string]string{}
