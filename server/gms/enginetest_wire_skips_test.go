package gms_test

const (
	keysOfMyISAM     = "the warning is InnoDB's note 1031, as in MySQL"
	inProcessPlanner = "looks at plans, which a client sees by EXPLAIN only"
	inProcessServer  = "starts a server of go-mysql-server's own"
	inProcessUsers   = "takes an engine without accounts; the SQL scripts of accounts and roles stand for it"
	inProcessSession = "looks into the session or the engine in process"
	otherFiles       = "compares files, of which that without FIELDS TERMINATED BY, that without LINES TERMINATED BY and CHARSET are not MySQL's"
	strictFields     = "a field too few or too many is 1261 or 1262 in strict mode, as in MySQL"
	suiteText        = "what the suite makes of the statement to prepare it is not SQL"
	noParameter      = "MySQL takes a literal there, the suite a parameter"
	trimTime         = "fault: TRIM of a TIME is announced as a TIME"
	strToDate        = "fault: STR_TO_DATE is announced without digits after the second, or with six"
	minusMedium      = "fault: -i of a MEDIUMINT is a MEDIUMINT, so that 8388608 is 8388607"
	zeroMonth        = "MONTHNAME of the zero date is NULL without a warning, as its MONTH is 0 without one"
	wordsBehind      = "a date with words behind it is refused in strict mode (1292), as in MySQL"
	ofDecimals       = "DIV reads texts as DECIMALs, so the warning is about one, as in MySQL"
	warnsOnce        = "fault: a text that is the number of digits warns once, the suite expects twice"
	noPath           = "what is no path is refused (3143), as in MySQL"
	explainTree      = "EXPLAIN shows the planner's tree"
	keyWithoutLength = "a key of a BLOB or TEXT needs a length (1170), which another script of the suite expects"
	noAutoCreate     = "NO_AUTO_CREATE_USER is refused (1231), as in MySQL 8.0"
	beyondLongitude  = "ST_GeomFromGeoJSON refuses longitudes beyond 180 (3616), as in MySQL"
	keyTooLong       = "its key is longer than 3072 bytes (1071)"
	dropElsewhere    = "DROP TABLE drops tables of several databases, as in MySQL; the suite expects an error"
)

// wireSuiteSkips are the suites that are not run over the wire, with the reason.
var wireSuiteSkips = map[string]string{
	"CharsetCollationWire":  inProcessServer,
	"GeneratedColumnPlans":  inProcessPlanner,
	"ImdbPlans":             inProcessPlanner,
	"JoinStats":             inProcessPlanner,
	"QueryPlanScripts":      inProcessPlanner,
	"StatisticIndexFilters": inProcessPlanner,
	"Statistics":            inProcessPlanner,
	"StatisticsPrepared":    inProcessPlanner,
	"SysbenchPlans":         inProcessPlanner,
	"TpccPlans":             inProcessPlanner,
	"DatabaseCollationWire": inProcessServer,
	"DropTable":             dropElsewhere,
	"InfoSchemaPrepared":    inProcessPlanner,
	"SelectIntoFile":        otherFiles,
	"Persist":               inProcessSession,
	"PrivilegePersistence":  inProcessUsers,
	"Tracing":               inProcessSession,
	"Truncate":              inProcessPlanner,
	"TypesOverWire":         inProcessServer,
	"UserAuthentication":    inProcessServer,
	"UserPrivileges":        inProcessUsers,
	"Warnings":              inProcessSession,
}

// wireSkips are the scripts and queries that are not run over the wire, by suite, as
// the names of their subtests, with the reason.
var wireSkips = map[string]map[string]string{
	"AlterTable": {"disable_keys_/_enable_keys": keysOfMyISAM},
	"DateParse": {
		`SELECT_STR_TO_DATE('01/02/99_314',_'%m/%e/%y_%f')`: strToDate,
		`SELECT_STR_TO_DATE('09:30:17_pm','%h:%i:%s_%p')`:   strToDate,
		`SELECT_STR_TO_DATE('09:30:17a','%h:%i:%s')`:        strToDate,
		`SELECT_STR_TO_DATE('9','%s')`:                      strToDate,
		`SELECT_STR_TO_DATE('A09:30:17','A%h:%i:%s')`:       strToDate,
		`SELECT_STR_TO_DATE('a09:30:17','a%h:%i:%s')`:       strToDate,
	},
	"IndexPrefix": {
		`unique_indexes_on_TEXT/BLOB_columns_with_no_prefix_length_(MariaDB_compatibility)`:                keyWithoutLength,
		`unique_indexes_on_multiple_TEXT/BLOB_columns_with_partial_prefix_lengths_(MariaDB_compatibility)`: keyWithoutLength,
	},
	"JsonScriptsPrepared": {
		`select_json_type(json_value(cast(cast(12.34_as_decimal)_as_json),_'$',_'json'))`: noParameter,
		`select_json_type(json_value(cast(cast(12_as_unsigned)_as_json),_'$',_'json'))`:   noParameter,
		`select_json_value(y,_'$.a',_'json')_from_xy`:                                     noParameter,
		`select_json_value(y,_'$.a[0].b',_'signed')_from_xy_where_x_=_2`:                  noParameter,
	},
	"LoadData":         fieldsMissing,
	"LoadDataPrepared": fieldsMissing,
	"Queries": {
		`SELECT_TRUNCATE(1.223,'1.5abc')`:            warnsOnce,
		`SELECT_TRUNCATE(1.223,'0.5')`:               warnsOnce,
		`SELECT_TRUNCATE(1.223,'2.7')`:               warnsOnce,
		`SELECT_TRUNCATE(1.223,'invalid_precision')`: warnsOnce,
		`select_monthname(0)`:                        zeroMonth,
		`select_monthname(false)`:                    zeroMonth,
		`select_monthname('0000-00-00')`:             zeroMonth,
	},
	"QueriesPrepared": {
		`SELECT_JSON_EXTRACT('[1,_2,_3]',_'$.[0]')`:                     noPath,
		`SELECT_TRUNCATE(1.223,'1.5abc')`:                               warnsOnce,
		`SELECT_TRUNCATE(1.223,'0.5')`:                                  warnsOnce,
		`SELECT_TRUNCATE(1.223,'2.7')`:                                  warnsOnce,
		`SELECT_TRUNCATE(1.223,'invalid_precision')`:                    warnsOnce,
		`select_monthname(0)`:                                           zeroMonth,
		`select_monthname(false)`:                                       zeroMonth,
		`select_monthname('0000-00-00')`:                                zeroMonth,
		`SELECT_STR_TO_DATE('01/02/99_314',_'%m/%e/%y_%f')`:             strToDate,
		`SELECT_STR_TO_DATE('09:30:17_pm','%h:%i:%s_%p')`:               strToDate,
		`SELECT_STR_TO_DATE('09:30:17a','%h:%i:%s')`:                    strToDate,
		`SELECT_STR_TO_DATE('9','%s')`:                                  strToDate,
		`SELECT_STR_TO_DATE('A09:30:17','A%h:%i:%s')`:                   strToDate,
		`SELECT_STR_TO_DATE('a09:30:17','a%h:%i:%s')`:                   strToDate,
		`SELECT_TRIM('0'_FROM_TIME('00:12:34.123'))`:                    trimTime,
		`SELECT_TRIM(LEADING_'12:34:56.'_FROM_TIME('12:34:56.123456'))`: trimTime,
		`explain_select_1`:                                              explainTree,
		`select_date_format('2003-10-03',_get_format(date,_'eur'))`:     suiteText,
		`select_get_format(date,_'usa')`:                                suiteText,
		`values_(1,_3),_(2,_2),_(3,_1);`:                                suiteText,
		`values_(1,_3),_(2,_2),_(3,_1)_limit_2;`:                        suiteText,
		`values_(1,_3),_(2,_2),_(3,_1)_order_by_1_asc;`:                 suiteText,
		`values_(1,_3),_(2,_2),_(3,_1)_order_by_1_desc;`:                suiteText,
		`values_(1,_3),_(2,_2),_(3,_1)_order_by_2_asc;`:                 suiteText,
		`values_(1,_3),_(2,_2),_(3,_1)_order_by_2_desc;`:                suiteText,
		`values_(1,_3),_(2,_2),_(3,_1)_order_by_2_limit_2;`:             suiteText,
		`values_row(1,_3),_row(2,_2),_row(3,_1);`:                       suiteText,
	},
	"InsertInto":            {`INSERT_INTO_typestable_SET____id_=_999,_i8_=_-128,_i16_=_-32768,_i32_=_-2147483648,_i64_=_-9223372036854775808,____u8_=_0,_u16_=_0,_u32_=_0,_u64_=_0,____f32_=_1.401298464324817070923729583289916131280e-45,_f64_=_4.940656458412465441765687928682213723651e-324,____ti_=_'2037-04-05_12:51:36_-0000_UTC',_da_=_'0000-00-00',____te_=_'',_bo_=_false,_js_=_'""',_bl_=_'',_e1_=_'v1',_s1_=_'v2'____;`: wordsBehind},
	"InsertQueriesPrepared": {`INSERT_INTO_typestable_SET____id_=_999,_i8_=_-128,_i16_=_-32768,_i32_=_-2147483648,_i64_=_-9223372036854775808,____u8_=_0,_u16_=_0,_u32_=_0,_u64_=_0,____f32_=_1.401298464324817070923729583289916131280e-45,_f64_=_4.940656458412465441765687928682213723651e-324,____ti_=_'2037-04-05_12:51:36_-0000_UTC',_da_=_'0000-00-00',____te_=_'',_bo_=_false,_js_=_'""',_bl_=_'',_e1_=_'v1',_s1_=_'v2'____;`: wordsBehind},
	"SpatialQueries": {
		`SELECT_ST_GEOMFROMGEOJSON(s)_from_stringtogeojson_table`:               beyondLongitude,
		`SELECT_ST_ASGEOJSON(ST_GEOMFROMGEOJSON(s))_from_stringtogeojson_table`: beyondLongitude,
		`SELECT_ST_GEOMFROMGEOJSON(ST_ASGEOJSON(g))_from_geom_coll_table`:       beyondLongitude,
	},
	"SpatialQueriesPrepared": {
		`SELECT_ST_GEOMFROMGEOJSON(s)_from_stringtogeojson_table`:               beyondLongitude,
		`SELECT_ST_ASGEOJSON(ST_GEOMFROMGEOJSON(s))_from_stringtogeojson_table`: beyondLongitude,
		`SELECT_ST_GEOMFROMGEOJSON(ST_ASGEOJSON(g))_from_geom_coll_table`:       beyondLongitude,
	},
	"Scripts": {
		`select_'a'_div_4;`:             ofDecimals,
		`select_'12a'_div_'3'_;`:        ofDecimals,
		`timestamp_timezone_conversion`: wordsBehind,
		`missing_indexes`:               keyTooLong,
	},
	"ScriptsPrepared": {
		`select_'a'_div_4;`:                    ofDecimals,
		`select_'12a'_div_'3'_;`:               ofDecimals,
		`timestamp_timezone_conversion`:        wordsBehind,
		`missing_indexes`:                      keyTooLong,
		`SELECT_-i8,_-i16,_-i24,_-i32_from_t;`: minusMedium,
		`select_*_from_t_where_BIN_TO_UUID(id)_=_'0'_and__to__=_'L1'_and_from__=_'L2'`: inProcessPlanner,
		`select_*_from_t_where_to__=_'L1'_and_from__=_'L2'`:                            inProcessPlanner,
		`select_/*+_JOIN_ORDER(A,_b)_*/_*_from_A_join_A_b_where_a.A_=_1_and_b.A_=_1`:   inProcessPlanner,
		`select_name_const('abc',_'abc')`:                                              noParameter,
		`select_name_const('abc',_123)`:                                                noParameter,
		`select_name_const('abc',_date_'2001-02-03')`:                                  noParameter,
		`select_name_const(123,_123)`:                                                  noParameter,
		`select_name_const(date_'2000-01-02',_123)`:                                    noParameter,
	},
	"Variables": {"set_system_variable_to_no_auto_create_user,_which_has_been_deprecated": noAutoCreate},
}

// fieldsMissing are the scripts of LOAD DATA whose files have rows of other lengths.
var fieldsMissing = map[string]string{
	"LOAD_DATA_with_extra_fields,_user_variables,_and_missing_fields":                      strictFields,
	"Load_data_with_csv_with_prefix.":                                                      strictFields,
	"LOAD_DATA_with_all_columns_reordered_in_projection":                                   strictFields,
	"Table_has_more_columns_than_import.":                                                  strictFields,
	"LOAD_DATA_handles_Windows_line-endings_and_a_subset_of_columns_that_are_not_in_order": strictFields,
	"LOAD_DATA_handles_non-nil_default_values":                                             strictFields,
	"LOAD_DATA_handles_non-nil_default_values_with_varying_field_counts_per_row":           strictFields,
	"LOAD_DATA_with_set_columns_no_projections":                                            strictFields,
	"LOAD_DATA_with_set_columns_with_projections":                                          strictFields,
	"LOAD_DATA_assign_to_static_User_Variables":                                            strictFields,
	"LOAD_DATA_with_user_vars_and_set_expressions":                                         strictFields,
}
