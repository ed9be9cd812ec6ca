// Identity files that can be read but once, as SOPS_AGE_KEY_FILE=<(pass show age) names one: sops opens the file again for each recipient
// of each file.
package secrets

import (
	"os"
	"strconv"
	"sync"

	sopsage "github.com/getsops/sops/v3/age"
)

// once are the contents of such files, by name, from the first time that one was asked for. They stay in memory.
var once = struct {
	sync.Mutex
	read map[string]*onceFile
}{read: map[string]*onceFile{}}

type onceFile struct {
	data []byte
	err  error
}

// readOnce returns what such a file holds, however often it is asked; nil for any other file.
func readOnce(name string) *onceFile {
	once.Lock()
	defer once.Unlock()
	if f := once.read[name]; f != nil {
		return f
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().IsRegular() || info.IsDir() {
		return nil
	}
	f := &onceFile{}
	f.data, f.err = readAll(name)
	once.read[name] = f
	return f
}

// feeding keeps one goroutine at a time from changing the environment.
var feeding sync.Mutex

// feed has the environment name pipes with what such files held, until the function that it returns is called. The pipes end with
// that, read or not; no other process has them.
func feed() (restore func()) {
	feeding.Lock()
	undo := []func(){feeding.Unlock}
	for _, name := range []string{sopsage.SopsAgeKeyFileEnv, sopsage.SopsAgeSshPrivateKeyFileEnv} {
		value, set := os.LookupEnv(name)
		if !set || holdsKey(value) {
			continue
		}
		f := readOnce(value)
		if f == nil || f.err != nil {
			continue // sops says what is wrong with it
		}
		r, w, err := os.Pipe()
		if err != nil {
			continue
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.Write(f.data) // fails where nobody reads it: nobody needs it then
			w.Close()
		}()
		os.Setenv(name, "/dev/fd/"+strconv.Itoa(int(r.Fd())))
		undo = append(undo, func() {
			os.Setenv(name, value)
			r.Close()
			<-done
		})
	}
	return func() {
		for i := len(undo) - 1; i >= 0; i-- {
			undo[i]()
		}
	}
}
