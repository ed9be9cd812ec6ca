// Identity files that can be read but once, as SOPS_AGE_KEY_FILE=<(pass show age) names one: sops opens the file again for each recipient
// of each file.
package secrets

import (
	"io/fs"
	"os"
	"runtime"
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
	reading sync.Once // nobody else waits for whoever writes into the pipe
	data    []byte
	err     error
}

// readOnce returns what such a file holds, however often it is asked; nil for any other file. It waits for who writes into it.
func readOnce(name string) *onceFile {
	if runtime.GOOS == "windows" {
		return nil // there is nothing under whose name it could be given on
	}
	once.Lock()
	f := once.read[name]
	if f == nil {
		info, err := os.Stat(name)
		if err != nil || info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket|fs.ModeCharDevice) == 0 {
			once.Unlock()
			return nil
		}
		f = &onceFile{}
		once.read[name] = f
	}
	once.Unlock()
	f.reading.Do(func() { f.data, f.err = readAll(name) })
	return f
}

// feeding keeps two from changing the environment at a time; fed is what its variables were, while feed has changed them.
var (
	feeding sync.Mutex
	fed     sync.Map // name: value
)

// lookupEnv is os.LookupEnv as the user has set the variable.
func lookupEnv(name string) (string, bool) {
	if v, ok := fed.Load(name); ok {
		return v.(string), true
	}
	return os.LookupEnv(name)
}

// feed has the environment name pipes with what such files held, until the function that it returns is called. The pipes end with
// that, read or not; no other process has them. Where there is no such file, nothing is done.
func feed() (restore func()) {
	files := map[string]*onceFile{}
	for _, name := range []string{sopsage.SopsAgeKeyFileEnv, sopsage.SopsAgeSshPrivateKeyFileEnv} {
		if value, set := lookupEnv(name); set && !holdsKey(value) {
			if f := readOnce(value); f != nil && f.err == nil { // if not, sops says what is wrong with it
				files[name] = f
			}
		}
	}
	if len(files) == 0 {
		return func() {}
	}
	feeding.Lock()
	undo := []func(){feeding.Unlock}
	for name, f := range files {
		if end := f.feed(name); end != nil {
			undo = append(undo, end)
		}
	}
	return func() {
		for i := len(undo) - 1; i >= 0; i-- {
			undo[i]()
		}
	}
}

// feed has one variable name a pipe; nil where that cannot be.
func (f *onceFile) feed(variable string) (end func()) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil
	}
	path := "/dev/fd/" + strconv.Itoa(int(r.Fd()))
	if info, err := os.Stat(path); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		r.Close()
		w.Close()
		return nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Write(f.data) // fails where nobody reads it: nobody needs it then
		w.Close()
	}()
	value := os.Getenv(variable)
	fed.Store(variable, value)
	os.Setenv(variable, path)
	return func() {
		os.Setenv(variable, value)
		fed.Delete(variable)
		r.Close()
		<-done
	}
}
