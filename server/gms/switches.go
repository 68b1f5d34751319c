package gms

import (
	"context"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/value"
)

const switchesName = "optimizer_switch"

// defaultSwitches are the flags of MySQL 8.0's optimizer, which can be set; the planner's has none.
const defaultSwitches = "index_merge=on,index_merge_union=on,index_merge_sort_union=on,index_merge_intersection=on," +
	"engine_condition_pushdown=on,index_condition_pushdown=on,mrr=on,mrr_cost_based=on,block_nested_loop=on," +
	"batched_key_access=off,materialization=on,semijoin=on,loosescan=on,firstmatch=on,duplicateweedout=on," +
	"subquery_materialization_cost_based=on,use_index_extensions=on,condition_fanout_filter=on,derived_merge=on," +
	"use_invisible_indexes=off,skip_scan=on,hash_join=on,subquery_to_derived=off,prefer_ordering_index=on," +
	"hypergraph_optimizer=off,derived_condition_pushdown=on"

// switched returns flags with those changed that a value names: 'flag=on', '…=off' and '…=default',
// several with commas between them, or 'default' for all. Returns MySQL's 1231 for others.
func switched(of, value any) (any, error) {
	flags, _ := of.(string)
	text, ok := value.(string)
	if !ok {
		return nil, errWrongValue(switchesName, value)
	}
	if strings.TrimSpace(text) == "" {
		return flags, nil
	}
	for _, f := range strings.Split(text, ",") {
		name, to, set := strings.Cut(strings.ToLower(strings.TrimSpace(f)), "=")
		if name = strings.TrimSpace(name); name == "default" && !set {
			flags = defaultSwitches
			continue
		}
		usual, is := flagOf(defaultSwitches, name), flagOf(flags, name)
		if to = strings.TrimSpace(to); to == "default" {
			to = usual
		}
		if !set || is == "" || to != "on" && to != "off" {
			return nil, errWrongValue(switchesName, f)
		}
		flags = strings.TrimPrefix(strings.Replace(","+flags, ","+name+"="+is, ","+name+"="+to, 1), ",")
	}
	return flags, nil
}

// flagOf returns the value of a flag, "" if there is none of the name.
func flagOf(flags, name string) string {
	_, rest, ok := strings.Cut(","+flags, ","+name+"=")
	if !ok {
		return ""
	}
	value, _, _ := strings.Cut(rest, ",")
	return value
}

func errWrongValue(variable string, val any) error {
	return mysql.NewSQLError(mysql.ERWrongValueForVar, "42000", "Variable '%s' can't be set to the value of '%s'", variable, value.Shown(val))
}

// switchesType is the type of optimizer_switch.
type switchesType struct{ sql.SystemVariableType }

// Convert implements sql.Type. Flags that are not named stay as the session has them.
func (t switchesType) Convert(ctx context.Context, v any) (any, sql.ConvertInRange, error) {
	var of any = defaultSwitches
	if sctx, ok := ctx.(*sql.Context); ok && sctx.Session != nil {
		if is, err := sctx.GetSessionVariable(sctx, switchesName); err == nil {
			of = is
		}
	}
	flags, err := switched(of, v)
	return flags, sql.InRange, err
}

// engineType is the type of the variables that are storage engines.
type engineType struct{ sql.SystemVariableType }

// Convert implements sql.Type.
func (t engineType) Convert(ctx context.Context, v any) (any, sql.ConvertInRange, error) {
	if text, ok := v.(string); ok {
		switch text = strings.ToLower(text); {
		case text == "heap":
			v = "MEMORY"
		case text == "merge":
			v = "MRG_MYISAM"
		case !slices.Contains(rewrite.Engines, text):
			return nil, sql.InRange, rewrite.UnknownEngine(v)
		}
	}
	return t.SystemVariableType.Convert(ctx, v)
}

// addPlannerVariables adds variables of the planner's as MySQL has them.
func addPlannerVariables() {
	both := sql.GetMysqlScope(sql.SystemVariableScope_Both)
	for _, name := range []string{"default_storage_engine", "default_tmp_storage_engine"} {
		sql.SystemVariables.AddSystemVariables([]sql.SystemVariable{&sql.MysqlSystemVariable{
			Name: name, Scope: both, Dynamic: true, Default: "InnoDB",
			Type: engineType{types.NewSystemEnumType(name, "MEMORY", "MRG_MYISAM", "CSV", "FEDERATED", "PERFORMANCE_SCHEMA", "MyISAM", "InnoDB", "BLACKHOLE", "ARCHIVE")},
		}})
	}
	sql.SystemVariables.AddSystemVariables([]sql.SystemVariable{
		&sql.MysqlSystemVariable{
			Name: switchesName, Scope: both, Dynamic: true, SetVarHintApplies: true, Default: defaultSwitches,
			Type: switchesType{types.NewSystemStringType(switchesName)},
		},
		&sql.MysqlSystemVariable{
			Name: expr.DivPrecision, Scope: both, Dynamic: true, SetVarHintApplies: true, Default: int64(expr.DivIncrement),
			Type: types.NewSystemIntType(expr.DivPrecision, 0, 30, false),
		},
		&sql.MysqlSystemVariable{
			Name: value.TimeNames, Scope: both, Dynamic: true, Default: "en_US", Type: value.LocaleType{SystemVariableType: types.NewSystemStringType(value.TimeNames)},
		},
		&sql.MysqlSystemVariable{
			Name: "timestamp", Scope: sql.GetMysqlScope(sql.SystemVariableScope_Session), Dynamic: true, SetVarHintApplies: true,
			Default: 0.0, Type: types.NewSystemDoubleType("timestamp", 0, 2147483647),
		},
	})
}
