package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"sextant/engine/btree"
	"sextant/internal/redo"
)

// A tree that a commit dropped is noted in the garbage tree by that commit and
// freed in the background, a bounded number of pages per mini-transaction. Pages
// that are written before the commit that will link them (an index being built, a
// table being loaded, the tail of a very long value) are noted in the intents tree
// by the mini-transaction that takes them; the linking commit deletes the note. So
// at every LSN each page is in a map, and in a tree or noted, and a crash leaves no
// orphans: notes of older epochs, and of this epoch's failures, are garbage.
//
//	garbage: tree id (8) -> root (8), long values (1)
//	intents: epoch (8), number (8), part (4) -> 'T', tree id (8), root (8), long (1)
//	                                         or 'P', page ids (uvarint deltas)

// intent names what is being made; the writer counts them from 1 in its epoch.
type intent struct{ epoch, number uint64 }

func (n intent) key(part uint32) []byte {
	b := binary.BigEndian.AppendUint64(nil, n.epoch)
	b = binary.BigEndian.AppendUint64(b, n.number)
	return binary.BigEndian.AppendUint32(b, part)
}

// intents is the notes of this epoch whose makers are at work.
type intents struct {
	mu   sync.Mutex
	last uint64
	live map[uint64]bool
}

func (db *writer) newIntent() intent {
	db.intents.mu.Lock()
	defer db.intents.mu.Unlock()
	db.intents.last++
	if db.intents.live == nil {
		db.intents.live = map[uint64]bool{}
	}
	db.intents.live[db.intents.last] = true
	return intent{uint64(db.vol.Epoch()), db.intents.last}
}

// endIntent says that nobody works on n any more: what is still noted is garbage.
func (db *writer) endIntent(n intent) {
	db.intents.mu.Lock()
	delete(db.intents.live, n.number)
	db.intents.mu.Unlock()
	db.collect()
}

// dead reports whether the note of a key is garbage.
func (db *writer) dead(key []byte) bool {
	if binary.BigEndian.Uint64(key) != uint64(db.vol.Epoch()) {
		return true
	}
	db.intents.mu.Lock()
	defer db.intents.mu.Unlock()
	return !db.intents.live[binary.BigEndian.Uint64(key[8:])]
}

// collect makes the background job look for garbage now.
func (db *writer) collect() {
	select {
	case db.freeNow <- struct{}{}:
	default:
	}
}

// treeNote is the value of a note of a tree.
func treeNote(t btree.Tree, long bool) []byte {
	b := binary.BigEndian.AppendUint64([]byte{'T'}, t.ID)
	return appendBool(binary.BigEndian.AppendUint64(b, uint64(t.Root)), long)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// pagesNote is the value of a note of pages.
func pagesNote(ids []redo.PageID) []byte {
	b := []byte{'P'}
	prev := redo.PageID(0)
	for _, id := range ids {
		b = binary.AppendVarint(b, int64(id)-int64(prev))
		prev = id
	}
	return b
}

func decodePagesNote(b []byte) ([]redo.PageID, error) {
	var ids []redo.PageID
	prev := int64(0)
	for len(b) > 0 {
		d, n := binary.Varint(b)
		if n <= 0 {
			return nil, fmt.Errorf("%w: note of pages", ErrCorrupt)
		}
		prev += d
		ids, b = append(ids, redo.PageID(prev)), b[n:]
	}
	return ids, nil
}

// note writes a note in the mini-transaction being made.
func (t *turn) note(key, value []byte) error {
	return t.db.system.tree(treeIntents).Put(context.Background(), t, key, value)
}

// unnote deletes the parts of a note: the commit links what they name.
func (t *turn) unnote(n intent, parts uint32) error {
	for i := range parts {
		err := t.db.system.tree(treeIntents).Delete(context.Background(), t, n.key(i))
		if err != nil {
			return err
		}
	}
	return nil
}

// drop notes a tree as garbage.
func (t *turn) drop(tree btree.Tree, long bool) error {
	key := binary.BigEndian.AppendUint64(nil, tree.ID)
	v := appendBool(binary.BigEndian.AppendUint64(nil, uint64(tree.Root)), long)
	return t.db.system.tree(treeGarbage).Put(context.Background(), t, key, v)
}

// freeTrees frees what is garbage now. It is the background job, and tests call it.
func (db *writer) freeTrees(ctx context.Context) error {
	if err := db.freeNotes(ctx); err != nil {
		return err
	}
	for {
		p, _, done := db.newest()
		c := btree.NewCursor(db.system.tree(treeGarbage), p)
		found := c.Seek(ctx, nil)
		var key, v []byte
		err := c.Err()
		if found {
			key = append(key, c.Key()...)
			v, err = c.Value(ctx)
		}
		done()
		if err != nil || !found {
			return err
		}
		if len(key) != 8 || len(v) != 9 {
			return fmt.Errorf("%w: garbage %x", ErrCorrupt, key)
		}
		tree := btree.Tree{ID: binary.BigEndian.Uint64(key), Root: redo.PageID(binary.BigEndian.Uint64(v))}
		if err := db.freeTree(ctx, tree, v[8] != 0); err != nil {
			return fmt.Errorf("free tree %d: %w", tree.ID, err)
		}
	}
}

// freeTree frees a tree of the garbage, in steps.
func (db *writer) freeTree(ctx context.Context, tree btree.Tree, long bool) error {
	for end := false; !end; {
		_, err := db.commit(ctx, &commitRequest{apply: func(t *turn) error {
			t.exempt = true
			var err error
			if end, err = tree.FreeStep(context.Background(), t, freeStepPages, long); err != nil || !end {
				return err
			}
			if err := t.Free(tree.Root); err != nil {
				return err
			}
			key := binary.BigEndian.AppendUint64(nil, tree.ID)
			return t.db.system.tree(treeGarbage).Delete(context.Background(), t, key)
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// freeNotes turns notes that nobody works on into garbage: trees are dropped, pages freed.
func (db *writer) freeNotes(ctx context.Context) error {
	var from []byte
	for {
		p, _, done := db.newest()
		c := btree.NewCursor(db.system.tree(treeIntents), p)
		found := c.Seek(ctx, from)
		for found && !db.dead(c.Key()) {
			found = c.Next(ctx)
		}
		var key, v []byte
		err := c.Err()
		if found {
			key = append(key, c.Key()...)
			v, err = c.Value(ctx)
			v = append([]byte(nil), v...)
		}
		done()
		if err != nil || !found {
			return err
		}
		if err := db.freeNote(ctx, key, v); err != nil {
			return err
		}
		from = append(key, 0)
	}
}

func (db *writer) freeNote(ctx context.Context, key, v []byte) error {
	if len(key) != 20 || len(v) == 0 {
		return fmt.Errorf("%w: intent %x", ErrCorrupt, key)
	}
	_, err := db.commit(ctx, &commitRequest{apply: func(t *turn) error {
		t.exempt = true
		err := t.db.system.tree(treeIntents).Delete(context.Background(), t, key)
		if errors.Is(err, btree.ErrNotFound) {
			return nil // the linking commit went through after all
		}
		if err != nil {
			return err
		}
		switch {
		case v[0] == 'T' && len(v) == 18:
			tree := btree.Tree{ID: binary.BigEndian.Uint64(v[1:]), Root: redo.PageID(binary.BigEndian.Uint64(v[9:]))}
			return t.drop(tree, v[17] != 0)
		case v[0] == 'P':
			ids, err := decodePagesNote(v[1:])
			if err != nil {
				return err
			}
			for _, id := range ids {
				if err := t.Free(id); err != nil {
					return err
				}
			}
			return nil
		}
		return fmt.Errorf("%w: intent %x", ErrCorrupt, key)
	}})
	return err
}
