package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sextant/scripts/cluster"
)

// adminPages are what each kind of process serves operators, by port offset.
var adminPages = map[int][2]string{ // page, and what is in it
	380: {"/topology", `"writer"`},
	541: {"/metrics", `sextant_vdl{node="db-1"}`},
	561: {"/metrics", `sextant_segments{node="storage-1"}`},
	591: {"/debug/pprof/", "goroutine"},
}

// TestAdminPorts: on loopback whoever reaches them reads them; with a token in the
// configuration nobody without it, on any of them, and over TLS.
func TestAdminPorts(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(token, []byte("a-token-for-operators\n"), 0o600))
	c := start(t, cluster.Options{Env: []string{"SEXTANT_ADMIN_TOKEN_FILE=" + token}}, controlAway)
	pem, err := os.ReadFile(filepath.Join(c.Data, "tls", "ca.pem"))
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	get := func(url, authorization string) (int, string) {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
		r, err := http.NewRequestWithContext(deadline(t), http.MethodGet, url, nil)
		must(t, err)
		r.Header.Set("Authorization", authorization)
		a, err := client.Do(r)
		if err != nil {
			return 0, err.Error()
		}
		defer a.Body.Close()
		b, err := io.ReadAll(a.Body)
		must(t, err)
		return a.StatusCode, string(b)
	}
	for port, page := range adminPages {
		url := "https://" + c.Addr(port) + page[0]
		if code, text := get(url, "Bearer a-token-for-operators"); code != http.StatusOK || !strings.Contains(text, page[1]) {
			t.Errorf("%s: %d %s", url, code, text)
		}
		for _, no := range []string{"", "Bearer another-token-for-x"} {
			if code, text := get(url, no); code != http.StatusUnauthorized || strings.Contains(text, page[1]) {
				t.Errorf("%s with %q: %d %s", url, no, code, text)
			}
		}
		if code, _ := get("http://"+c.Addr(port)+page[0], "Bearer a-token-for-operators"); code == http.StatusOK {
			t.Errorf("%s without TLS: %d", url, code)
		}
	}
	must(t, c.Stop())
	c.Env = nil
	must(t, c.Up(context.WithoutCancel(deadline(t))))
	for port, page := range adminPages {
		url := "http://" + c.Addr(port) + page[0]
		if code, text := get(url, ""); code != http.StatusOK || !strings.Contains(text, page[1]) {
			t.Errorf("%s: %d %s", url, code, text)
		}
	}
}
