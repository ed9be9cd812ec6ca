// Decryption: the data key through whichever recipient is ours, then every value, then the MAC over all of them.
package secrets

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/keys"
	"github.com/getsops/sops/v3/pgp"
	"github.com/getsops/sops/v3/shamir"
)

const (
	// remoteTimeout is what all recipients that are no age keys (PGP agents, key management services) may take together: without a
	// network some of them retry for minutes.
	remoteTimeout = 60 * time.Second
	// maxRecipients bounds how many are tried, and named in an error.
	maxRecipients = 100
)

// dataKey recovers the key that the file's values are encrypted with. All age recipients are tried before any other, which may
// want a network or a person.
func dataKey(ctx context.Context, path string, md sops.Metadata) ([]byte, error) {
	groups := md.KeyGroups
	need := 1
	if len(groups) > 1 {
		if need = md.ShamirThreshold; need == 0 {
			need = len(groups)
		}
		if need < 2 || need > len(groups) {
			return nil, &Error{File: path, Kind: ErrDamaged, text: fmt.Sprintf("damaged: %d of its %d groups of recipients cannot be what it takes", need, len(groups))}
		}
	}
	parts := make(map[int][]byte)
	var failures []error
	for i, group := range groups {
		for _, k := range group {
			mk, ok := k.(*age.MasterKey)
			if !ok || parts[i] != nil || ctx.Err() != nil || len(failures) >= maxRecipients {
				continue
			}
			part, err := decryptAge(mk)
			if err != nil {
				failures = append(failures, err)
				continue
			}
			parts[i] = part
		}
	}
	if len(parts) < need {
		tryRemote(ctx, groups, parts, need)
	}
	if len(parts) < need {
		return nil, noDataKey(path, groups, len(parts), need, failures)
	}
	if len(groups) == 1 {
		return parts[0], nil
	}
	var shares [][]byte
	for i := range groups { // in order, so that the same file always gives the same error
		if parts[i] != nil && len(shares) < need {
			shares = append(shares, parts[i])
		}
	}
	key, err := shamir.Combine(shares)
	if err != nil {
		return nil, &Error{File: path, Kind: ErrDamaged, text: "damaged: the parts of its key do not fit together"}
	}
	return key, nil
}

// tryRemote asks the recipients that are no age keys for the parts that are missing, PGP first.
func tryRemote(ctx context.Context, groups []sops.KeyGroup, parts map[int][]byte, need int) {
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	tried := 0
	for i, group := range groups {
		ordered := slices.Clone(group)
		slices.SortStableFunc(ordered, func(a, b keys.MasterKey) int { return rank(a) - rank(b) })
		for _, k := range ordered {
			if _, ok := k.(*age.MasterKey); ok || parts[i] != nil || len(parts) >= need || tried >= maxRecipients {
				continue
			}
			tried++
			if part := askRemote(ctx, k); part != nil {
				parts[i] = part
			}
		}
	}
}

func rank(k keys.MasterKey) int {
	if k.TypeToIdentifier() == pgp.KeyTypeIdentifier {
		return 0
	}
	return 1
}

// askRemote returns nil where k does not decrypt its part, or not in time.
func askRemote(ctx context.Context, k keys.MasterKey) []byte {
	if ctx.Err() != nil {
		return nil
	}
	answer := make(chan []byte, 1)
	go func() {
		defer func() {
			if recover() != nil {
				answer <- nil
			}
		}()
		var part []byte
		var err error
		if c, ok := k.(interface {
			DecryptContext(context.Context) ([]byte, error)
		}); ok {
			part, err = c.DecryptContext(ctx)
		} else {
			part, err = k.Decrypt()
		}
		if err != nil {
			part = nil // its text is the library's: it may hold anything
		}
		answer <- part
	}()
	select {
	case part := <-answer:
		return part
	case <-ctx.Done():
		return nil
	}
}

// noDataKey says why no recipient's key was to be had.
func noDataKey(path string, groups []sops.KeyGroup, have, need int, failures []error) error {
	var names, ageNames []string
	damaged := len(failures) > 0
	for _, g := range groups {
		for _, k := range g {
			if k.TypeToIdentifier() == age.KeyTypeIdentifier {
				ageNames = append(ageNames, k.ToString())
				names = append(names, printable(k.ToString()))
			} else {
				names = append(names, printable(k.TypeToIdentifier()+" "+k.ToString()))
				damaged = false
			}
		}
	}
	for _, err := range failures {
		damaged = damaged && errors.Is(err, ErrDamaged)
	}
	e := &Error{File: path}
	recipients, hint := shortList(names, 5), identityHint(ageNames)+orUpdateKeys
	switch {
	case damaged:
		e.Kind, e.text = ErrDamaged, "damaged: its key cannot be read for any of "+recipients
	case len(ageNames) == 0:
		e.Kind, e.text = ErrWrongIdentity, "encrypted to "+recipients+", and none of these gives its key here"
	case !anyIs(failures, ErrWrongIdentity) && anyIs(failures, ErrNoIdentity):
		e.Kind, e.text, e.hint = ErrNoIdentity, "encrypted to "+recipients+", and no age identity was found: "+strings.Join(describe(places(), false), ", "), hint
	default:
		e.Kind, e.text, e.hint = ErrWrongIdentity, "encrypted to "+recipients+", and none of the identities found is among them", hint
		if troubles := describe(places(), true); len(troubles) > 0 {
			e.text += " (" + strings.Join(troubles, ", ") + ")"
		}
	}
	if need > 1 {
		e.text += fmt.Sprintf("; %d of its %d groups are needed, %d opened", need, len(groups), have)
	}
	for _, err := range failures {
		var locked *lockedError
		if errors.As(err, &locked) {
			e.text += "; " + locked.why
			break
		}
	}
	return e
}

func anyIs(errs []error, kind error) bool {
	return slices.ContainsFunc(errs, func(err error) bool { return errors.Is(err, kind) })
}

// decryptTree decrypts every value in place and checks the MAC.
func decryptTree(path string, tree sops.Tree, key []byte) error {
	cipher := &watchedCipher{Cipher: aes.NewCipher()}
	mac, err := tree.Decrypt(key, cipher)
	if err != nil {
		where := ""
		if cipher.failed != "" {
			where = printable(strings.ReplaceAll(strings.TrimSuffix(cipher.failed, ":"), ":", "/")) + ": "
		}
		what := "a value is not what sops encrypted"
		if cipher.plain {
			what = "the value is not encrypted although its file is; was it edited without sops?"
		}
		return &Error{File: path, Kind: ErrDamaged, text: "damaged: " + where + what}
	}
	want, err := cipher.Cipher.Decrypt(tree.Metadata.MessageAuthenticationCode, key, tree.Metadata.LastModified.Format(time.RFC3339))
	if err != nil {
		return &Error{File: path, Kind: ErrDamaged, text: "damaged: its MAC is not what sops wrote"}
	}
	if s, ok := want.(string); !ok || subtle.ConstantTimeCompare([]byte(s), []byte(mac)) != 1 {
		return &Error{File: path, Kind: ErrDamaged, text: "damaged: its MAC does not match its values; something was changed without sops"}
	}
	return nil
}

// watchedCipher remembers which value failed; sops' own error would quote it.
type watchedCipher struct {
	aes.Cipher
	failed string // path of the last value that failed, "a:b:"
	plain  bool   // it is no ciphertext at all
}

func (c *watchedCipher) Decrypt(ciphertext string, key []byte, path string) (any, error) {
	v, err := c.Cipher.Decrypt(ciphertext, key, path)
	if err != nil {
		c.failed, c.plain = path, !strings.HasPrefix(ciphertext, "ENC[")
	}
	return v, err
}
