package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"sextant/scripts/cluster"
)

// A refusal is one line of the program that refuses, and never a stack trace.
func refusal(t *testing.T, output string, want ...string) {
	t.Helper()
	judge(t, output, nil)
	lines := strings.Split(strings.TrimSpace(output), "\n")
	if !strings.HasPrefix(lines[0], "sextant: ") {
		t.Errorf("the output is no error of the program:\n%s", output)
	}
	for _, w := range want {
		if !strings.Contains(output, w) {
			t.Errorf("the error does not name %q:\n%s", w, output)
		}
	}
}

func TestImpossibleConfigurationIsRefused(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	newer := filepath.Dir(write("newer/cluster.json", `{"format": 2, "cluster": "sextant-1"}`))
	broken := filepath.Dir(write("broken/cluster.json", `{"format": 1, "clus`))
	short := write("token", "secret")
	base, err := cluster.FreeBase()
	must(t, err)
	for _, r := range []struct {
		config, data string
		command      []string
		env          string
		want         []string
	}{
		{config: "servr: {lal: 5}", want: []string{"servr"}},
		{config: "server: {page_cach: 1GiB}", want: []string{"page_cach"}},
		{config: "server: {page_cache: 3}", want: []string{"server.page_cache", "unit"}},
		{config: "cluster: {segment_size: 100KiB}", want: []string{"cluster.segment_size", "100KiB"}},
		{config: "storage: {nodes: [{id: storage-1, az: a}]}", want: []string{"storage.nodes", "three zones"}},
		{config: "server: {secure_file_priv: " + filepath.Join(dir, "none") + "}", want: []string{"server.secure_file_priv", "no directory"}},
		{config: "cluster: [", want: []string{"config.yaml"}},
		{env: "SEXTANT_SERVER_LAL=many", want: []string{"server.lal"}},
		{env: "SEXTANT_CLUSTER_PORT_BASE=65000", want: []string{"cluster.port_base", "65000"}, command: []string{"up", "--port-base", "0"}},
		{config: "admin: {bind: 0.0.0.0}", want: []string{"admin.bind", "admin.token_file"}},
		{config: "admin: {token_file: " + filepath.Join(dir, "none") + "}", want: []string{"admin.token_file"}},
		{config: "admin: {token_file: " + short + "}", want: []string{"admin.token_file", "at least 16"}},
		{data: newer, want: []string{"cluster.json", "format 2"}},
		{data: broken, want: []string{"cluster.json"}},
		{command: []string{"status"}, data: filepath.Join(dir, "none"), want: []string{"none", "sextant up", "--data"}},
		{command: []string{"storage", "--id", "db-1"}, want: []string{"db-1", "storage-N"}},
		{command: []string{"storage", "--id", "storage-1"}, data: filepath.Join(dir, "none"), want: []string{"sextant up"}},
		{command: []string{"up", "--portbase", "1"}, want: []string{"--portbase"}},
		{command: []string{"begin"}, want: []string{"begin"}},
	} {
		name := fmt.Sprint(r.config, r.env, r.data, r.command)
		t.Run(name, func(t *testing.T) {
			args := r.command
			if args == nil {
				args = []string{"up"}
			}
			data := r.data
			if data == "" {
				data = t.TempDir()
			}
			args = append(args, "--data", data, "--config", write("config.yaml", r.config))
			if r.env == "" || len(r.command) == 0 {
				args = append(args, "--port-base", strconv.Itoa(base))
			}
			out, err := endsWithin(t, r.env, args...)
			if err == nil {
				t.Fatalf("it is accepted:\n%s", out)
			}
			refusal(t, out, r.want...)
		})
	}
}

// endsWithin runs the program, which must end by itself.
func endsWithin(t *testing.T, env string, args ...string) (string, error) {
	t.Helper()
	ctx := deadline(t)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), env)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("it does not end:\n%s", out)
	}
	return string(out), err
}

// noteOf puts a row into a cluster that says whose it is.
func noteOf(t *testing.T, c *cluster.Cluster, owner string) {
	t.Helper()
	run(t, pool(t, c, cluster.PortCluster, ""), "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, owner VARCHAR(20))",
		"INSERT INTO d.t (owner) VALUES ('"+owner+"')")
}

var refusedDirectory = regexp.MustCompile(`(storage-2|storage-4|control-2) +\| ended \(exit status 1\)`)

// Two clusters exchange the directories of a storage node and of a control node; one
// of them also has a storage node whose files are of a newer format. Each of these
// processes says so and stays out; the clusters serve, each its own data.
func TestForeignDirectoriesAreRefused(t *testing.T) {
	a, b := start(t, cluster.Options{}, refusedDirectory, controlAway), start(t, cluster.Options{}, refusedDirectory, controlAway)
	clusters := map[string]*cluster.Cluster{"a": a, "b": b}
	for name, c := range clusters {
		noteOf(t, c, name)
		must(t, c.Stop())
	}
	exchange := func() {
		t.Helper()
		for _, id := range []string{"storage-2", "control-2"} {
			mine, theirs, aside := filepath.Join(a.Data, id), filepath.Join(b.Data, id), filepath.Join(a.Data, id+".aside")
			must(t, os.Rename(mine, aside))
			must(t, os.Rename(theirs, mine))
			must(t, os.Rename(aside, theirs))
		}
	}
	format := func(from, to string) {
		t.Helper()
		path := filepath.Join(b.Data, "storage-4", "STORE")
		text, err := os.ReadFile(path)
		must(t, err)
		changed := strings.Replace(string(text), from, to, 1)
		if changed == string(text) {
			t.Fatalf("%s does not have %s", path, from)
		}
		must(t, os.WriteFile(path, []byte(changed), 0o600))
	}
	exchange()
	format(`"format": 1`, `"format": 2`)
	for name, c := range clusters {
		must(t, c.Up(deadline(t)))
		says(t, c, `storage-2 +\| sextant: .*belongs to another`)
		says(t, c, `control-2 +\| sextant: .*`)
		if name == "b" {
			says(t, c, `storage-4 +\| sextant: .*format 2`)
		}
		db := pool(t, c, cluster.PortCluster, "d")
		run(t, db, "INSERT INTO t (owner) VALUES ('"+name+"')")
		got, err := text(deadline(t), db, "SELECT owner FROM t ORDER BY id")
		must(t, err)
		if want := name + " " + name; got != want {
			t.Errorf("cluster %s has the rows %s", name, got)
		}
		must(t, c.Stop())
	}
	exchange()
	format(`"format": 2`, `"format": 1`)
	for _, c := range clusters {
		must(t, c.Up(deadline(t)))
		_, err := c.Await(deadline(t), "every node to be healthy with its own directory", (*cluster.Status).Healthy)
		must(t, err)
	}
}

// says returns when the output since the last start has a line that matches.
func says(t *testing.T, c *cluster.Cluster, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	eventually(t, "a line that matches "+pattern, func(context.Context) error {
		if !re.MatchString(c.Output()) {
			return fmt.Errorf("there is none")
		}
		return nil
	})
}
