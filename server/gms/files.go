package gms

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/expr"
)

// The server's files, which SELECT … INTO OUTFILE and DUMPFILE, LOAD DATA without LOCAL and
// LOAD_FILE reach: those in the directory secure_file_priv, for accounts with FILE.

// secureDirectory returns the directory that an option names, without symbolic links; ""
// for none.
func secureDirectory(option string) (string, error) {
	if option == "" {
		return "", nil
	}
	dir, err := filepath.EvalSymlinks(option)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = &os.PathError{Op: "open", Path: option, Err: syscall.ENOTDIR}
	}
	return dir, err
}

// secureFilePriv is the variable's value of a directory.
func secureFilePriv(dir string) string {
	if dir == "" {
		return "NULL"
	}
	return strings.TrimSuffix(dir, "/") + "/"
}

// mayUseFiles returns an error unless the session's account has FILE.
func (s *Session) mayUseFiles(ctx *sql.Context) error {
	if s.b.users == nil || s.may(ctx, sql.PrivilegeType_File) {
		return nil
	}
	password := "NO"
	rd := s.b.users.Reader()
	defer rd.Close()
	if u, ok := rd.GetUser(s.account.Key()); ok && u.AuthString != "" {
		password = "YES"
	}
	return mysql.NewSQLError(1045, "28000", "Access denied for user %s (using password: %s)", quotedAccount(s.account), password)
}

// secure opens secure_file_priv, and returns a file's name in it. Error 1290 for a name
// that leads out of it.
func (b *Backend) secure(name string) (*os.Root, string, error) {
	if b.secureDir == "" || !filepath.IsAbs(name) {
		return nil, "", errFiles()
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(name))
	if err != nil {
		return nil, "", errFiles()
	}
	inside, err := filepath.Rel(b.secureDir, filepath.Join(parent, filepath.Base(name)))
	if err != nil || !filepath.IsLocal(inside) {
		return nil, "", errFiles()
	}
	root, err := os.OpenRoot(b.secureDir)
	if err != nil {
		return nil, "", errFiles()
	}
	return root, inside, nil
}

// osError is an error of the operating system as MySQL tells it.
func osError(number int, text, name string, err error) error {
	var code syscall.Errno
	if !errors.As(err, &code) {
		return errFiles() // os.Root's: the name leads out of the directory
	}
	reason := code.Error()
	return mysql.NewSQLError(number, "HY000", text, name, int(code), strings.ToUpper(reason[:1])+reason[1:])
}

// openFile opens a file that is to be read.
func (b *Backend) openFile(name string) (*os.File, error) {
	root, inside, err := b.secure(name)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(inside)
	switch {
	case err != nil:
		return nil, osError(13, "Can't get stat of '%s' (OS errno %d - %s)", name, err)
	case !info.Mode().IsRegular():
		return nil, mysql.NewSQLError(1085, "HY000", "The file '%s' must be in the database directory or be readable by all", name)
	}
	f, err := root.Open(inside)
	if err != nil {
		return nil, osError(29, "File '%s' not found (OS errno %d - %s)", name, err)
	}
	return f, nil
}

// createdFile is a file that a statement makes. It is there to stay when it is closed
// without having been removed.
type createdFile struct {
	*os.File
	root   *os.Root
	inside string
}

// Close closes the file.
func (f *createdFile) Close() error { return errors.Join(f.File.Close(), f.root.Close()) }

// remove closes the file and takes it away again.
func (f *createdFile) remove() {
	_ = f.root.Remove(f.inside)
	_ = f.Close()
}

// createFile makes a file that is not there yet.
func (b *Backend) createFile(name string) (*createdFile, error) {
	root, inside, err := b.secure(name)
	if err != nil {
		return nil, err
	}
	f, err := root.OpenFile(inside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		_ = root.Close()
		if errors.Is(err, os.ErrExist) {
			return nil, mysql.NewSQLError(1086, "HY000", "File '%s' already exists", name)
		}
		return nil, osError(1, "Can't create/write to file '%s' (OS errno %d - %s)", name, err)
	}
	return &createdFile{f, root, inside}, nil
}

// loadFile is LOAD_FILE: NULL for a file that may not be read or is not there.
func loadFile(ctx *sql.Context, s *Session, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	t, _, err := types.LongText.Convert(ctx, args[0])
	if err != nil {
		return nil, err
	}
	name, _ := t.(string)
	if s.mayUseFiles(ctx) != nil {
		return nil, nil
	}
	f, err := s.b.openFile(name)
	if err != nil {
		return nil, nil
	}
	defer f.Close()
	limit := expr.PacketMax(ctx)
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, nil
	}
	if int64(len(content)) > limit {
		ctx.Warn(1301, "Result of load_file() was larger than max_allowed_packet (%d) - truncated", limit)
		return nil, nil
	}
	return content, nil
}
