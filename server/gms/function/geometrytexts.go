package function

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/spatial"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/expr"
)

// geometryMakers are the kinds of geometries by the parts of their functions' names, as in ST_MPointFromText.
var geometryMakers = []struct {
	names []string
	text  string // the word of the texts, "" for any
	wkb   int    // the number of the bytes
	typ   sql.Type
}{
	{[]string{"geom", "geometry"}, "", types.WKBUnknown, types.GeometryType{}},
	{[]string{"point"}, "point", types.WKBPointID, types.PointType{}},
	{[]string{"line", "linestring"}, "linestring", types.WKBLineID, types.LineStringType{}},
	{[]string{"poly", "polygon"}, "polygon", types.WKBPolyID, types.PolygonType{}},
	{[]string{"mpoint", "multipoint"}, "multipoint", types.WKBMultiPointID, types.MultiPointType{}},
	{[]string{"mline", "multilinestring"}, "multilinestring", types.WKBMultiLineID, types.MultiLineStringType{}},
	{[]string{"mpoly", "multipolygon"}, "multipolygon", types.WKBMultiPolyID, types.MultiPolygonType{}},
	{[]string{"geomcoll", "geometrycollection"}, "geometrycollection", types.WKBGeomCollID, types.GeomCollType{}},
}

// geometryReaders are functions of a geometry by the kinds that they are of. With another kind they are error 3516, those
// in lax NULL; with what is no geometry they are 3037.
var (
	geometryReaders = map[string][]string{
		"st_x": {"POINT"}, "st_y": {"POINT"}, "st_latitude": {"POINT"}, "st_longitude": {"POINT"}, "st_area": {"POLYGON", "MULTIPOLYGON"},
		"st_exteriorring": {"POLYGON"}, "st_interiorringn": {"POLYGON"}, "st_numinteriorring": {"POLYGON"}, "st_numinteriorrings": {"POLYGON"},
		"st_pointn": {"LINESTRING"}, "st_astext": nil, "st_aswkt": nil, "st_srid": nil,
	}
	lax = []string{"st_exteriorring", "st_interiorringn", "st_numinteriorring", "st_numinteriorrings", "st_pointn"}
)

// geometryFunctions are the functions that make geometries of texts and bytes, and those of geometryReaders.
var geometryFunctions = func() map[string]*expr.FunctionDef {
	out := map[string]*expr.FunctionDef{fromGeoJSON: geoJSONReader}
	for _, k := range geometryMakers {
		if k.text == "geometrycollection" {
			out["st_geomcollfromtxt"] = geometryMaker("st_geomcollfromtxt", k.typ, fromText(k.text))
		}
		for _, n := range k.names {
			text, wkb := "st_"+n+"fromtext", "st_"+n+"fromwkb"
			out[text] = geometryMaker(text, k.typ, fromText(k.text))
			out[wkb] = geometryMaker(wkb, k.typ, func(ctx *sql.Context, args []sql.Expression) (any, error) {
				return spatial.EvalGeomFromWKB(ctx, nil, args, k.wkb)
			})
		}
	}
	for name, kinds := range geometryReaders {
		out[name] = geometryReader(name, kinds)
	}
	for _, name := range []string{"st_latfromgeohash", "st_longfromgeohash", "st_pointfromgeohash"} {
		out[name] = geohashReader(name)
	}
	return out
}()

func fromText(kind string) func(*sql.Context, []sql.Expression) (any, error) {
	return func(ctx *sql.Context, args []sql.Expression) (any, error) {
		return spatial.WKTToGeom(ctx, nil, args, kind)
	}
}

// geometryMaker is a function of a text or bytes, an SRID and options. What is no geometry is error 3037.
func geometryMaker(name string, typ sql.Type, read func(*sql.Context, []sql.Expression) (any, error)) *expr.FunctionDef {
	return &expr.FunctionDef{Name: name, Args: expr.AnyArgs, Pure: true, Typ: typ, Eval: func(ctx *sql.Context, args []any) (any, error) {
		if len(args) < 1 || len(args) > 3 {
			return nil, sql.ErrInvalidArgumentNumber.New(name, "1 to 3", len(args))
		}
		literals := make([]sql.Expression, len(args))
		for i, a := range args {
			u, err := sql.UnwrapAny(ctx, a)
			if u == nil || err != nil {
				return nil, err
			}
			if text, ok := u.(string); ok && i == 0 && strings.HasSuffix(name, "wkb") {
				u = []byte(text)
			} else if b, ok := u.([]byte); ok && (i > 0 || !strings.HasSuffix(name, "wkb")) {
				u = string(b)
			}
			literals[i] = expression.NewLiteral(u, nil)
		}
		v, err := read(ctx, literals)
		g, ok := v.(types.GeometryValue)
		switch {
		case sql.ErrInvalidSRID.Is(err):
			return nil, mysql.NewSQLError(1690, "22003", "SRID value is out of range in '%s'", name)
		case sql.ErrInvalidKeyPair.Is(err):
			return nil, invalidOption(name, fmt.Sprint(args[2]))
		case err != nil && !sql.ErrInvalidGISData.Is(err):
			return nil, err
		case err != nil, !ok, !enoughPoints(g):
			return nil, invalidGIS(name)
		}
		return g, withinEarth(name, g)
	}}
}

// invalidOption returns the error of the options of a geometry's function that are not known.
func invalidOption(name, options string) error {
	key, text, ok := strings.Cut(options, "=")
	switch {
	case !ok:
		return mysql.NewSQLError(3560, "22023", "The string '%s' is not a valid key = value pair in function %s.", options, name)
	case strings.EqualFold(strings.TrimSpace(key), "axis-order"):
		return mysql.NewSQLError(3559, "22023", "Invalid value '%s' for option '%s' in function '%s'.", strings.TrimSpace(text), "axis-order", name)
	}
	return mysql.NewSQLError(3558, "22023", "Invalid option key '%s' in function %s.", strings.TrimSpace(key), name)
}

func invalidGIS(function string) error {
	return mysql.NewSQLError(3037, "22023", "Invalid GIS data provided to function %s.", function)
}

// enoughPoints reports whether no line of a geometry has less than two points.
func enoughPoints(g types.GeometryValue) bool {
	switch g := g.(type) {
	case types.LineString:
		return len(g.Points) > 1
	case types.MultiLineString:
		return !slices.ContainsFunc(g.Lines, func(l types.LineString) bool { return len(l.Points) < 2 })
	case types.GeomColl:
		return !slices.ContainsFunc(g.Geoms, func(g types.GeometryValue) bool { return !enoughPoints(g) })
	}
	return true
}

// withinEarth returns an error if a geometry of SRID 4326 has latitudes or longitudes that are not there.
func withinEarth(name string, g types.GeometryValue) error {
	if g.GetSRID() != types.GeoSpatialSRID {
		return nil
	}
	if c, ok := g.(types.GeomColl); ok && len(c.Geoms) == 0 {
		return nil
	}
	west, south, east, north := g.BBox()
	for _, x := range []float64{west, east} {
		if x <= -180 || x > 180 {
			return mysql.NewSQLError(3616, "22S02", "Longitude %f is out of range in function %s. It must be within (%f, %f].", x, name, -180.0, 180.0)
		}
	}
	for _, y := range []float64{south, north} {
		if y < -90 || y > 90 {
			return mysql.NewSQLError(3617, "22S03", "Latitude %f is out of range in function %s. It must be within [%f, %f].", y, name, -90.0, 90.0)
		}
	}
	return nil
}

// planners returns the planner's function of a name.
func planners(ctx *sql.Context, name string, args []sql.Expression) (sql.Expression, error) {
	f, ok := expr.Natives().Function(ctx, "", name)
	if !ok {
		return nil, errors.New("gms: no function " + name)
	}
	return f.NewInstance(ctx, args)
}

// typeOfPlanners returns the type of the planner's function of a name.
func typeOfPlanners(name string) func(*sql.Context, []sql.Expression) sql.Type {
	return func(ctx *sql.Context, args []sql.Expression) sql.Type {
		e, err := planners(ctx, name, args)
		if err != nil {
			return types.Null // its call is the error
		}
		return e.Type(ctx)
	}
}

// geohashReader is the planner's function of a geohash; a text that is none is error 1411.
func geohashReader(name string) *expr.FunctionDef {
	const letters = "0123456789bcdefghjkmnpqrstuvwxyz"
	return &expr.FunctionDef{
		Name: name, Args: expr.AnyArgs, Pure: true, TypeOf: typeOfPlanners(name),
		EvalOf: func(ctx *sql.Context, exprs []sql.Expression, args []any) (any, error) {
			e, err := planners(ctx, name, exprs)
			if err != nil || slices.Contains(args, nil) {
				return nil, err
			}
			text, _, err := types.LongText.Convert(ctx, args[0])
			if err != nil {
				return nil, err
			}
			hash, _ := text.(string)
			lower := strings.ToLower(hash)
			if hash == "" || strings.Trim(lower, letters) != "" {
				return nil, mysql.NewSQLError(1411, "HY000", "Incorrect geohash value: '%s' for function %s", hash, strings.ToUpper(name))
			}
			literals := slices.Clone(exprs)
			literals[0] = expression.NewLiteral(lower, types.LongText)
			for i, a := range args[1:] {
				literals[i+1] = expression.NewLiteral(a, exprs[i+1].Type(ctx))
			}
			if e, err = planners(ctx, name, literals); err != nil {
				return nil, err
			}
			return e.Eval(ctx, nil)
		},
	}
}

// geometryReader is the planner's function of a name, with MySQL's errors for arguments that it is not of.
func geometryReader(name string, kinds []string) *expr.FunctionDef {
	return &expr.FunctionDef{
		Name: name, Args: expr.AnyArgs, Pure: true, TypeOf: typeOfPlanners(name),
		EvalOf: func(ctx *sql.Context, exprs []sql.Expression, args []any) (any, error) {
			if slices.Contains(args, nil) {
				return nil, nil
			}
			var g types.GeometryValue
			var err error
			literals := make([]sql.Expression, len(args))
			for i, a := range args {
				if i == 0 {
					if g, err = geometry(ctx, name, a); err != nil {
						return nil, err
					}
					a = g
				}
				literals[i] = expression.NewLiteral(a, exprs[i].Type(ctx))
			}
			e, err := planners(ctx, name, literals)
			if err != nil {
				return nil, err
			}
			if kind := geometryName(g); kinds != nil && !slices.Contains(kinds, kind) {
				if slices.Contains(lax, name) {
					return nil, nil
				}
				return nil, mysql.NewSQLError(3516, "22S01", "%s value is a geometry of unexpected type %s in %s.", strings.Join(kinds, "/"), kind, name)
			}
			if many, ok := g.(types.MultiPolygon); ok && name == "st_area" { // to the planner it has none
				return sumOfAreas(ctx, many)
			}
			return e.Eval(ctx, nil)
		},
	}
}

func sumOfAreas(ctx *sql.Context, of types.MultiPolygon) (any, error) {
	sum := 0.0
	for _, p := range of.Polygons {
		p.SRID = of.SRID
		e, err := planners(ctx, "st_area", []sql.Expression{expression.NewLiteral(p, types.PolygonType{})})
		if err != nil {
			return nil, err
		}
		area, err := e.Eval(ctx, nil)
		if err != nil {
			return nil, err
		}
		a, _ := area.(float64)
		sum += a
	}
	return sum, nil
}
