package function

import (
	"math"
	"regexp"
	"strconv"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

const fromGeoJSON = "st_geomfromgeojson"

// geoJSON reads a document as GeoJSON.
type geoJSON struct {
	ctx    *sql.Context
	option int64 // 1: what has more than two dimensions is refused, 2 to 4: they are left out
	srid   uint32
	given  bool // srid is an argument, what the document says is left out
}

// geomFromGeoJSON is ST_GeomFromGeoJSON: of a document, the option and an SRID. Returns 3141 for a text that is no document, 1411 for
// an option and 3548 for an SRID that there is not, and those of geoJSON.geometry.
func geomFromGeoJSON(ctx *sql.Context, args []any) (any, error) {
	if len(args) < 1 || len(args) > 3 {
		return nil, sql.ErrInvalidArgumentNumber.New(fromGeoJSON, "1, 2, or 3", len(args))
	}
	r := geoJSON{ctx: ctx, option: 1, srid: types.GeoSpatialSRID}
	for i, a := range args[1:] {
		if a == nil {
			return nil, nil
		}
		n, err := expr.WholeOf(ctx, a)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			if r.option = n; n < 1 || n > 4 {
				return nil, mysql.NewSQLError(1411, "HY000", "Incorrect option value: '%d' for function %s", n, fromGeoJSON)
			}
			continue
		}
		if n < 0 || n > math.MaxUint32 {
			return nil, mysql.NewSQLError(1690, "22003", "SRID value is out of range in '%s'", fromGeoJSON)
		}
		r.srid, r.given = uint32(n), true
	}
	if w, ok := args[0].(sql.JSONWrapper); ok { // a document of the planner's functions has other kinds of values in it
		text, err := types.JsonToMySqlString(ctx, w)
		if err != nil {
			return nil, err
		}
		args[0] = text
	}
	if args[0] == nil {
		return nil, nil
	}
	doc, err := value.JSONDocument(ctx, args[0], 1, fromGeoJSON)
	if err != nil {
		return nil, err
	}
	v, err := value.RawJSON(ctx, doc)
	if v == nil || err != nil {
		return nil, err
	}
	g, err := r.geometry(v)
	if g == nil || err != nil {
		return nil, err
	}
	if err := types.ValidateSRID(int(r.srid), fromGeoJSON); err != nil {
		return nil, err
	}
	g = g.SetSRID(r.srid)
	return g, withinEarth(fromGeoJSON, g)
}

func noGeoJSON() error {
	return mysql.NewSQLError(3072, "HY000", "Invalid GeoJSON data provided to function %s", fromGeoJSON)
}

func wrongMember(name, kind string) error {
	return mysql.NewSQLError(3071, "HY000", "Invalid GeoJSON data provided to function %s: Member '%s' must be of type '%s'", fromGeoJSON, name, kind)
}

// member returns a member of an object. Returns 3070 if there is none.
func member(object map[string]any, name string) (any, error) {
	v, ok := object[name]
	if !ok {
		return nil, mysql.NewSQLError(3070, "HY000", "Invalid GeoJSON data provided to function %s: Missing required member '%s'", fromGeoJSON, name)
	}
	return v, nil
}

// memberArray returns a member that is an array. Returns 3070 if there is none, 3071 if it is another value.
func memberArray(object map[string]any, name string) ([]any, error) {
	v, err := member(object, name)
	if err != nil {
		return nil, err
	}
	array, ok := v.([]any)
	if !ok {
		return nil, wrongMember(name, "array")
	}
	return array, nil
}

// memberObject returns a member that is an object or null. Returns 3070 if there is none, 3071 if it is another value.
func memberObject(object map[string]any, name string) (map[string]any, error) {
	v, err := member(object, name)
	if err != nil || v == nil {
		return nil, err
	}
	of, ok := v.(map[string]any)
	if !ok {
		return nil, wrongMember(name, "object")
	}
	return of, nil
}

// geometry returns the geometry of an object, nil for a feature without one. Returns 3070 and 3071 for members that lack or are of
// another type, 3073 for coordinates of more dimensions, 3072 for what else is no GeoJSON.
func (r *geoJSON) geometry(v any) (types.GeometryValue, error) {
	object, ok := v.(map[string]any)
	if !ok {
		return nil, noGeoJSON()
	}
	if err := r.reference(object); err != nil {
		return nil, err
	}
	kind, err := member(object, "type")
	if err != nil {
		return nil, err
	}
	text, ok := kind.(string)
	if !ok {
		return nil, wrongMember("type", "string")
	}
	switch text {
	case "Feature":
		of, err := memberObject(object, "geometry")
		if err == nil {
			_, err = memberObject(object, "properties")
		}
		if of == nil || err != nil {
			return nil, err
		}
		return r.geometry(of)
	case "FeatureCollection":
		return r.collection(object, "features")
	case "GeometryCollection":
		return r.collection(object, "geometries")
	}
	read := map[string]func([]any) (types.GeometryValue, error){"Point": r.point, "LineString": r.line, "Polygon": r.polygon,
		"MultiPoint": r.points, "MultiLineString": r.lines, "MultiPolygon": r.polygons}[text]
	if read == nil {
		return nil, noGeoJSON()
	}
	coordinates, err := memberArray(object, "coordinates")
	if err != nil {
		return nil, err
	}
	return read(coordinates)
}

// knownCRS are the names of reference systems that MySQL reads.
var knownCRS = regexp.MustCompile(`^(?:EPSG:|urn:ogc:def:crs:EPSG::)(\d+)$`)

// reference takes the SRID that an object says.
func (r *geoJSON) reference(object map[string]any) error {
	crs, some := object["crs"].(map[string]any)
	if !some || r.given {
		return nil
	}
	of, err := memberObject(crs, "properties")
	if err != nil {
		return err
	}
	name, err := member(of, "name")
	if err != nil {
		return err
	}
	text, ok := name.(string)
	if !ok {
		return wrongMember("name", "string")
	}
	if m := knownCRS.FindStringSubmatch(text); m != nil {
		n, err := strconv.ParseUint(m[1], 10, 32)
		r.srid = uint32(n)
		return err
	}
	if text != "urn:ogc:def:crs:OGC:1.3:CRS84" {
		return noGeoJSON()
	}
	return nil
}

// collection returns the geometries of a member's elements, without those that are nil.
func (r *geoJSON) collection(object map[string]any, name string) (types.GeometryValue, error) {
	elements, err := memberArray(object, name)
	out := types.GeomColl{}
	for _, e := range elements {
		g, err := r.geometry(e)
		if err != nil {
			return nil, err
		}
		if g != nil {
			out.Geoms = append(out.Geoms, g)
		}
	}
	return out, err
}

func (r *geoJSON) point(coordinates []any) (types.GeometryValue, error) {
	if len(coordinates) < 2 {
		return nil, noGeoJSON()
	}
	var numbers [2]float64
	for i, c := range coordinates {
		if s, ok := c.(value.TypedScalar); ok {
			c = s.Plain()
		}
		if !isNumber(c) {
			return nil, wrongMember("array coordinate", "number")
		}
		if i > 1 && r.option == 1 {
			return nil, mysql.NewSQLError(3073, "HY000", "Unsupported number of coordinate dimensions in function %s: Found %d, expected %d", fromGeoJSON, len(coordinates), 2)
		}
		if i < 2 {
			f, _, err := types.Float64.Convert(r.ctx, c)
			if err != nil {
				return nil, err
			}
			numbers[i] = f.(float64)
		}
	}
	return types.Point{X: numbers[0], Y: numbers[1]}, nil
}

func isNumber(v any) bool {
	switch v.(type) {
	case nil, string, bool, []any, map[string]any:
		return false
	}
	return true
}

// several reads at least so many elements, arrays each.
func several[T types.GeometryValue](elements []any, least int, read func([]any) (types.GeometryValue, error)) ([]T, error) {
	if len(elements) < least {
		return nil, noGeoJSON()
	}
	out := make([]T, len(elements))
	for i, e := range elements {
		of, ok := e.([]any)
		if !ok {
			return nil, noGeoJSON()
		}
		g, err := read(of)
		if err != nil {
			return nil, err
		}
		out[i] = g.(T)
	}
	return out, nil
}

func (r *geoJSON) line(coordinates []any) (types.GeometryValue, error) {
	points, err := several[types.Point](coordinates, 2, r.point)
	return types.LineString{Points: points}, err
}

// ring reads a line that ends where it begins.
func (r *geoJSON) ring(coordinates []any) (types.GeometryValue, error) {
	points, err := several[types.Point](coordinates, 4, r.point)
	if err == nil && points[0] != points[len(points)-1] {
		err = noGeoJSON()
	}
	return types.LineString{Points: points}, err
}

func (r *geoJSON) polygon(coordinates []any) (types.GeometryValue, error) {
	rings, err := several[types.LineString](coordinates, 1, r.ring)
	return types.Polygon{Lines: rings}, err
}

func (r *geoJSON) points(coordinates []any) (types.GeometryValue, error) {
	points, err := several[types.Point](coordinates, 1, r.point)
	return types.MultiPoint{Points: points}, err
}

func (r *geoJSON) lines(coordinates []any) (types.GeometryValue, error) {
	lines, err := several[types.LineString](coordinates, 1, r.line)
	return types.MultiLineString{Lines: lines}, err
}

func (r *geoJSON) polygons(coordinates []any) (types.GeometryValue, error) {
	polygons, err := several[types.Polygon](coordinates, 1, r.polygon)
	return types.MultiPolygon{Polygons: polygons}, err
}

// geoJSONReader is the function for the catalog.
var geoJSONReader = &expr.FunctionDef{Name: fromGeoJSON, Args: expr.AnyArgs, Pure: true, Typ: types.GeometryType{}, Eval: geomFromGeoJSON}
