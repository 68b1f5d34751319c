// Package arch holds the test that keeps the architecture: which package may
// import which, what a pure package may use, and that the documents name only
// things that exist.
package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "sextant/"

// pure are the packages that only compute: no I/O, no clock, no goroutine, no
// randomness. They may import each other and pureStd.
var pure = []string{
	"internal/redo", "internal/page", "internal/invariant",
	"logstore/quorum", "logstore/volume", "logstore/segment",
	"router/route", "failover/fleet",
}

var pureStd = []string{
	"bytes", "cmp", "encoding/binary", "errors", "fmt", "hash/crc32", "iter", "maps",
	"math", "math/bits", "slices", "sort", "strconv", "strings",
	"sync/atomic", // what is asked to be read is read on any goroutine
}

// logstoreTypes is what pure packages may import besides each other: message
// types only. Its interfaces name context.Context and nothing else of it.
var pureExtra = []string{"logstore"}

// gms are the packages that are built on go-mysql-server.
var gms = []string{
	"server/gms", "server/gms/syntax", "server/gms/value", "server/gms/expr", "server/gms/function", "server/gms/rewrite", "server/gms/planrule",
}

// only says which packages may import a library directly.
var only = map[string][]string{
	"go.etcd.io/bbolt":                    {"logstore/boltstore", "failover"},
	"github.com/dolthub/go-mysql-server":  gms,
	"github.com/dolthub/vitess":           gms,
	"github.com/hashicorp/raft":           {"failover"},
	"github.com/hashicorp/raft-boltdb":    {"failover"},
	"github.com/spf13/viper":              {"internal/config"},
	"github.com/dlclark/regexp2":          {"internal/icuregex"},
	"github.com/spf13/cobra":              {"cmd/sextant"},
	"github.com/prometheus/client_golang": {"router", "server", "logstore/node", "failover", "cmd/sextant"},
}

// layers says which packages of the module a package (with those below it) may
// import; the most specific prefix wins.
var layers = map[string][]string{
	"internal":                {"internal"},
	"logstore":                {"internal", "logstore"},
	"logstore/sim":            {"internal", "logstore", "engine/bufpool", "engine/replica", "failover/fleet"}, // what it runs
	"logstore/memvolume/feed": {"internal/redo", "logstore", "engine/replica"},
	"engine":                  {"internal/redo", "internal/page", "internal/invariant", "internal/uca", "logstore", "engine"},
	"engine/replica":          {"internal/redo", "internal/page", "internal/invariant", "engine/bufpool", "engine/btree", "logstore"},
	"server":                  {"internal/certs", "internal/mtls", "internal/page", "internal/redo", "internal/invariant", "engine", "logstore", "logstore/client", "failover", "server"},
	"server/gms":              {"internal/certs", "internal/mtls", "internal/redo", "engine", "logstore", "router/proxyv2", "server/gms", "server/protocol"},
	"server/protocol":         {"internal/halfopen", "internal/hangup"},

	// what gms is made of: each imports those before it, and only value and expr know what the engine stores
	"server/gms/syntax":   {},
	"server/gms/value":    {"engine", "internal/uca", "server/gms/syntax"},
	"server/gms/expr":     {"engine", "server/gms/syntax", "server/gms/value"},
	"server/gms/function": {"internal/icuregex", "server/gms/syntax", "server/gms/value", "server/gms/expr"},
	"server/gms/rewrite":  {"server/gms/syntax", "server/gms/value", "server/gms/expr", "server/gms/function"},
	"server/gms/planrule": {"server/gms/syntax", "server/gms/value", "server/gms/expr", "server/gms/function", "server/gms/rewrite"},
	"failover":            {"internal/durable", "internal/mtls", "internal/redo", "internal/invariant", "failover"},
	"router":              {"internal/admin", "internal/certs", "internal/halfopen", "internal/mtls", "internal/redo", "internal/invariant", "internal/hangup", "router"},
	"cmd":                 {""},
	"scripts":             {""},
}

// engineBoundary are the packages of logstore that engine may import outside
// tests: interfaces, not drivers.
var engineMayImport = []string{"logstore"}

type file struct {
	pkg  string // path below the module, "" for its root
	name string
	test bool
	ast  *ast.File
}

// load parses every Go file of the module but generated ones.
func load(t *testing.T) (root string, files []file) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "data" || strings.HasPrefix(d.Name(), ".") && path != root):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(rel))
		files = append(files, file{pkg: strings.TrimPrefix(pkg, "."), name: rel, test: strings.HasSuffix(rel, "_test.go"), ast: f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return root, files
}

func imports(f *ast.File) (out []string) {
	for _, s := range f.Imports {
		out = append(out, strings.Trim(s.Path.Value, `"`))
	}
	return out
}

func under(path string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool {
		return p == "" || path == p || strings.HasPrefix(path, p+"/")
	})
}

func TestPurePackagesOnlyCompute(t *testing.T) {
	_, files := load(t)
	for _, f := range files {
		if f.test || !slices.Contains(pure, f.pkg) {
			continue
		}
		for _, i := range imports(f.ast) {
			local, ours := strings.CutPrefix(i, module)
			if ours && (slices.Contains(pure, local) || slices.Contains(pureExtra, local)) || slices.Contains(pureStd, i) {
				continue
			}
			t.Errorf("%s imports %s: %s is pure", f.name, i, f.pkg)
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok {
				t.Errorf("%s starts a goroutine (offset %d): %s is pure", f.name, g.Pos(), f.pkg)
			}
			return true
		})
	}
}

func TestImportGraph(t *testing.T) {
	_, files := load(t)
	for _, f := range files {
		if f.test {
			continue
		}
		layer := ""
		for l := range layers {
			if under(f.pkg, l) && len(l) > len(layer) {
				layer = l
			}
		}
		if layer == "" {
			t.Errorf("%s: package %s is in no layer of this test", f.name, f.pkg)
			continue
		}
		for _, i := range imports(f.ast) {
			local, ours := strings.CutPrefix(i, module)
			switch {
			case !ours:
			case !under(local, layers[layer]...):
				t.Errorf("%s imports %s: %s may import only %v", f.name, i, layer, layers[layer])
			case layer == "engine" && under(local, "logstore") && !slices.Contains(engineMayImport, local):
				t.Errorf("%s imports %s: engine sees only logstore's interfaces", f.name, i)
			case local == "internal/config" || under(local, "cmd"):
				if !under(f.pkg, "cmd", "scripts") {
					t.Errorf("%s imports %s: only cmd wires", f.name, i)
				}
			}
		}
	}
}

func TestLibrariesStayWhereTheyBelong(t *testing.T) {
	_, files := load(t)
	for _, f := range files {
		if f.test {
			continue
		}
		for _, i := range imports(f.ast) {
			for lib, allowed := range only {
				if under(i, lib) && !slices.Contains(allowed, f.pkg) {
					t.Errorf("%s imports %s: only %v may", f.name, i, allowed)
				}
			}
		}
	}
}

func TestNoInitFunctions(t *testing.T) {
	_, files := load(t)
	for _, f := range files {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" && !strings.HasSuffix(f.name, ".pb.go") {
				t.Errorf("%s has an init function", f.name)
			}
		}
	}
}

// declared returns every top-level name and method of the module as "pkg.Name"
// and "pkg.Type.Method", pkg being the last element of the package's path.
func declared(files []file) map[string]bool {
	names := map[string]bool{}
	for _, f := range files {
		base := f.pkg[strings.LastIndex(f.pkg, "/")+1:]
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				name := base + "." + d.Name.Name
				if d.Recv != nil {
					name = base + "." + receiver(d.Recv.List[0].Type) + "." + d.Name.Name
				}
				names[name] = true
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						names[base+"."+s.Name.Name] = true
						if it, ok := s.Type.(*ast.InterfaceType); ok {
							for _, m := range it.Methods.List {
								for _, n := range m.Names {
									names[base+"."+s.Name.Name+"."+n.Name] = true
								}
							}
						}
					case *ast.ValueSpec:
						for _, n := range s.Names {
							names[base+"."+n.Name] = true
						}
					}
				}
			}
		}
	}
	return names
}

func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

var symbol = regexp.MustCompile("`([a-z]+(?:\\.[A-Z][A-Za-z0-9]*){1,2})`")

func TestArchitectureNamesExist(t *testing.T) {
	root, files := load(t)
	names := declared(files)
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := symbol.FindAllStringSubmatch(string(text), -1)
	if len(found) < 10 {
		t.Fatalf("ARCHITECTURE.md names %d symbols; the pattern does not see them", len(found))
	}
	for _, m := range found {
		if !names[m[1]] {
			t.Errorf("ARCHITECTURE.md names %s, which does not exist", m[1])
		}
	}
}

var testName = regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)[A-Za-z0-9]+)(/[^`]*)?`")

// TestStatusNamesTests holds docs/status.md to the truth: every test it names
// exists and is not skipped outright.
func TestStatusNamesTests(t *testing.T) {
	root, files := load(t)
	text, err := os.ReadFile(filepath.Join(root, "docs/status.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := testName.FindAllStringSubmatch(string(text), -1)
	if len(found) < 10 {
		t.Fatalf("docs/status.md names %d tests; the pattern does not see them", len(found))
	}
	for _, m := range found {
		if problem := findTest(root, files, m[1], m[2], strings.TrimPrefix(m[3], "/")); problem != "" {
			t.Errorf("docs/status.md names %s.%s%s: %s", m[1], m[2], m[3], problem)
		}
	}
	for i, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "|") && strings.Count(line, "|") >= 3 && !strings.Contains(line, "---") && !strings.Contains(line, "promise") &&
			!strings.Contains(line, "not yet") && !testName.MatchString(line) {
			t.Errorf("docs/status.md:%d: the row names neither a test nor 'not yet'", i+1)
		}
	}
}

func findTest(root string, files []file, pkg, test, script string) string {
	for _, f := range files {
		if !f.test || f.pkg != pkg {
			continue
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Name.Name != test {
				continue
			}
			if skipsOutright(fn) {
				return "it is skipped"
			}
			if strings.HasSuffix(script, ".txt") {
				if m, _ := filepath.Glob(filepath.Join(root, pkg, "testdata", "*", script)); len(m) > 0 {
					return ""
				}
				if _, err := os.Stat(filepath.Join(root, pkg, "testdata", script)); err != nil {
					return "its script does not exist"
				}
			}
			return ""
		}
	}
	return "no such test"
}

// skipsOutright reports whether a statement of the function's body itself, under
// no condition, skips the test.
func skipsOutright(fn *ast.FuncDecl) bool {
	for _, s := range fn.Body.List {
		if e, ok := s.(*ast.ExprStmt); ok {
			if c, ok := e.X.(*ast.CallExpr); ok {
				if sel, ok := c.Fun.(*ast.SelectorExpr); ok && strings.HasPrefix(sel.Sel.Name, "Skip") {
					return true
				}
			}
		}
	}
	return false
}
