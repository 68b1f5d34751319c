package function

import (
	"math"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/expr"
)

// spatialFunctions are ST_Length, ST_Distance_Sphere and the relations of bounding rectangles.
var spatialFunctions = map[string]*expr.FunctionDef{
	"st_length":          {Name: "st_length", Args: expr.AnyArgs, Pure: true, Typ: types.Float64, Eval: lineLength},
	"st_distance_sphere": {Name: "st_distance_sphere", Args: expr.AnyArgs, Pure: true, Typ: types.Float64, Eval: distanceSphere},
	"mbrcontains":        rectangles("mbrcontains", func(a, b rectangle) bool { return b.within(a) }),
	"mbrwithin":          rectangles("mbrwithin", rectangle.within),
	"mbrcovers":          rectangles("mbrcovers", func(a, b rectangle) bool { return b.covered(a) }),
	"mbrcoveredby":       rectangles("mbrcoveredby", rectangle.covered),
	"mbrequals":          rectangles("mbrequals", func(a, b rectangle) bool { return a == b }),
	"mbrintersects":      rectangles("mbrintersects", rectangle.intersects),
	"mbrdisjoint":        rectangles("mbrdisjoint", func(a, b rectangle) bool { return !a.intersects(b) }),
}

// rectangle is the least one around a geometry, by its two dimensions.
type rectangle [2]struct{ from, to float64 }

func (r rectangle) intersects(o rectangle) bool {
	return r[0].from <= o[0].to && o[0].from <= r[0].to && r[1].from <= o[1].to && o[1].from <= r[1].to
}

// covered reports whether no part of r is outside of o.
func (r rectangle) covered(o rectangle) bool {
	return o[0].from <= r[0].from && r[0].to <= o[0].to && o[1].from <= r[1].from && r[1].to <= o[1].to
}

// within reports whether r is covered by o, and not by its border alone.
func (r rectangle) within(o rectangle) bool {
	for i := range r {
		if r[i].from == r[i].to && o[i].from < o[i].to && (r[i].from == o[i].from || r[i].to == o[i].to) {
			return false
		}
	}
	return r.covered(o)
}

func rectangles(name string, relation func(a, b rectangle) bool) *expr.FunctionDef {
	return &expr.FunctionDef{Name: name, Args: 2, Pure: true, Typ: types.Boolean, Eval: func(ctx *sql.Context, args []any) (any, error) {
		var r [2]rectangle
		srids := [2]uint32{}
		for i, a := range args {
			if a == nil {
				return nil, nil
			}
			g, err := geometry(ctx, name, a)
			if err != nil {
				return nil, err
			}
			srids[i] = g.GetSRID()
			r[i][0].from, r[i][1].from, r[i][0].to, r[i][1].to = g.BBox()
		}
		if srids[0] != srids[1] {
			return nil, mysql.NewSQLError(3033, "HY000",
				"Binary geometry function %s given two geometries of different srids: %d and %d, which should have been identical.",
				name, srids[0], srids[1])
		}
		return relation(r[0], r[1]), nil
	}}
}

func geometry(ctx *sql.Context, function string, v any) (types.GeometryValue, error) {
	u, err := sql.UnwrapAny(ctx, v)
	if err != nil {
		return nil, err
	}
	c, _, err := types.GeometryType{}.Convert(ctx, u)
	g, ok := c.(types.GeometryValue)
	if err != nil || !ok {
		return nil, invalidGIS(function)
	}
	return g, nil
}

// lineLength is the length of a line or of several, NULL of other geometries.
func lineLength(ctx *sql.Context, args []any) (any, error) {
	switch len(args) {
	case 1:
	case 2:
		return nil, sql.ErrUnsupportedFeature.New("st_length with a unit")
	default:
		return nil, mysql.NewSQLError(1582, "42000", "Incorrect parameter count in the call to native function 'ST_Length'")
	}
	if args[0] == nil {
		return nil, nil
	}
	g, err := geometry(ctx, "st_length", args[0])
	if err != nil {
		return nil, err
	}
	var lines []types.LineString
	switch g := g.(type) {
	case types.LineString:
		lines = []types.LineString{g}
	case types.MultiLineString:
		lines = g.Lines
	default:
		return nil, nil
	}
	length := 0.0
	for _, l := range lines {
		for i := 1; i < len(l.Points); i++ {
			length += math.Hypot(l.Points[i].X-l.Points[i-1].X, l.Points[i].Y-l.Points[i-1].Y)
		}
	}
	return length, nil
}

// earthRadius is that of the sphere of ST_Distance_Sphere, meters.
const earthRadius = 6370986

// distanceSphere is the least distance of points on a sphere.
func distanceSphere(ctx *sql.Context, args []any) (any, error) {
	const name = "st_distance_sphere"
	if len(args) < 2 || len(args) > 3 {
		return nil, mysql.NewSQLError(1582, "42000", "Incorrect parameter count in the call to native function '%s'", name)
	}
	for _, a := range args {
		if a == nil {
			return nil, nil
		}
	}
	radius := float64(earthRadius)
	if len(args) == 3 {
		v, _, err := types.Float64.Convert(ctx, args[2])
		if err != nil {
			return nil, err
		}
		if radius, _ = v.(float64); radius <= 0 {
			return nil, mysql.NewSQLError(3706, "22003", "Invalid radius provided to function %s: Radius must be greater than zero.", name)
		}
	}
	var points [2][]types.Point
	for i, a := range args[:2] {
		g, err := geometry(ctx, name, a)
		if err != nil {
			return nil, err
		}
		switch g := g.(type) {
		case types.Point:
			points[i] = []types.Point{g}
		case types.MultiPoint:
			points[i] = g.Points
		default:
			return nil, mysql.NewSQLError(3704, "22S01", "%s(%s, %s) has not been implemented for Cartesian spatial reference systems.",
				name, geometryName(args[0]), geometryName(args[1]))
		}
		for _, p := range points[i] {
			if p.X <= -180 || p.X > 180 {
				return nil, mysql.NewSQLError(3616, "22S02",
					"Longitude %f is out of range in function %s. It must be within (%f, %f].", p.X, name, -180.0, 180.0)
			}
			if p.Y < -90 || p.Y > 90 {
				return nil, mysql.NewSQLError(3617, "22S03",
					"Latitude %f is out of range in function %s. It must be within [%f, %f].", p.Y, name, -90.0, 90.0)
			}
		}
	}
	least := math.Inf(1)
	for _, p := range points[0] {
		for _, q := range points[1] {
			least = min(least, radius*angle(p, q))
		}
	}
	return least, nil
}

// angle is the angle between two points, by haversines.
func angle(p, q types.Point) float64 {
	const degree = math.Pi / 180
	half := func(d float64) float64 { s := math.Sin(d * degree / 2); return s * s }
	h := half(p.Y-q.Y) + math.Cos(p.Y*degree)*math.Cos(q.Y*degree)*half(p.X-q.X)
	return 2 * math.Asin(math.Min(1, math.Sqrt(h)))
}

func geometryName(v any) string {
	switch v.(type) {
	case types.Point:
		return "POINT"
	case types.MultiPoint:
		return "MULTIPOINT"
	case types.LineString:
		return "LINESTRING"
	case types.MultiLineString:
		return "MULTILINESTRING"
	case types.Polygon:
		return "POLYGON"
	case types.MultiPolygon:
		return "MULTIPOLYGON"
	}
	return "GEOMETRYCOLLECTION"
}
