//go:build unix

package secrets

// This file has identities come out of pipes.

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"filippo.io/age"
)

// pipeOnce makes a named pipe that gives data to the first who opens it, and to nobody else.
func pipeOnce(t *testing.T, data string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() {
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			_, err = w.WriteString(data)
			w.Close()
		}
		written <- err
	}()
	t.Cleanup(func() {
		if err := <-written; err != nil {
			t.Error(err)
		}
	})
	return path
}

// ageFile encrypts a file as age does.
func ageFile(t *testing.T, plaintext string, to ...age.Recipient) string {
	t.Helper()
	var b bytes.Buffer
	w, err := age.Encrypt(&b, to...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(plaintext)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return write(t, "token.age", b.Bytes())
}

func encryptedTo(t *testing.T, recipients ...string) string {
	t.Helper()
	data, err := encryptDocument("secrets.yaml", []byte("token: abc\n"), recipients)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "secrets.yaml", data)
}

// What a shell's <(…) names can be read once; sops opens it for each recipient of each file.
func TestAnIdentityFromAPipeOpensEveryFile(t *testing.T) {
	isolate(t)
	id := newIdentity(t)
	file := encryptedTo(t, newIdentity(t).Recipient().String(), id.Recipient().String()) // ours is not the first that is tried
	path := pipeOnce(t, "# a comment\n"+id.String()+"\n")
	t.Setenv("SOPS_AGE_KEY_FILE", path)
	for range 2 {
		if got := lookup(t, file, "token"); got != "abc" {
			t.Errorf("token is %q", got)
		}
		got, err := DecryptAge(context.Background(), ageFile(t, "xyz", id.Recipient()))
		if err != nil || string(got) != "xyz" {
			t.Errorf("%q, %v", got, err)
		}
	}
	if got := os.Getenv("SOPS_AGE_KEY_FILE"); got != path {
		t.Errorf("SOPS_AGE_KEY_FILE is %s", got)
	}
	// What did not fit is told of without waiting for the pipe again.
	_, err := DecryptAge(context.Background(), ageFile(t, "xyz", newIdentity(t).Recipient()))
	if err == nil || strings.Contains(err.Error(), "empty") || strings.Contains(err.Error(), id.String()) {
		t.Errorf("%v", err)
	}
}

func TestAnSSHKeyFromAPipeOpensEveryFile(t *testing.T) {
	isolate(t)
	key, public := newSSHKey(t, "ed25519", "")
	file := encryptedTo(t, newIdentity(t).Recipient().String(), public)
	t.Setenv("SOPS_AGE_SSH_PRIVATE_KEY_FILE", pipeOnce(t, readText(t, key)))
	for range 2 {
		if got := lookup(t, file, "token"); got != "abc" {
			t.Errorf("token is %q", got)
		}
	}
}

func TestAnEmptyPipeIsSaidToBeEmpty(t *testing.T) {
	isolate(t)
	t.Setenv("SOPS_AGE_KEY_FILE", pipeOnce(t, ""))
	_, err := DecryptAge(context.Background(), ageFile(t, "xyz", newIdentity(t).Recipient()))
	if err == nil || !strings.Contains(err.Error(), "it is empty") {
		t.Errorf("%v", err)
	}
}

// While a file is decrypted the variable names another pipe, which is for sops alone.
func TestWhoLooksMeanwhileTakesNothing(t *testing.T) {
	isolate(t)
	id := newIdentity(t)
	path := pipeOnce(t, id.String()+"\n")
	t.Setenv("SOPS_AGE_KEY_FILE", path)
	restore := feed()
	for _, p := range places() {
		if p.name == "SOPS_AGE_KEY_FILE" && p.state != "" {
			t.Errorf("%s: %s", p.name, p.state)
		}
	}
	got, err := os.ReadFile(os.Getenv("SOPS_AGE_KEY_FILE"))
	if err != nil || string(got) != id.String()+"\n" {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	restore()
	if os.Getenv("SOPS_AGE_KEY_FILE") != path {
		t.Error("the variable was not put back")
	}
}

// A pipe into which nobody writes keeps nobody from other files.
func TestAPipeThatIsWaitedForBlocksNobodyElse(t *testing.T) {
	isolate(t)
	silent := filepath.Join(t.TempDir(), "silent")
	if err := syscall.Mkfifo(silent, 0o600); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan struct{})
	go func() {
		defer close(waiting)
		readOnce(silent)
	}()
	id := newIdentity(t)
	t.Setenv("SOPS_AGE_KEY_FILE", pipeOnce(t, id.String()+"\n"))
	if got, err := DecryptAge(context.Background(), ageFile(t, "xyz", id.Recipient())); err != nil || string(got) != "xyz" {
		t.Errorf("%q, %v", got, err)
	}
	w, err := os.OpenFile(silent, os.O_WRONLY, 0) // ends the wait
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	<-waiting
}
